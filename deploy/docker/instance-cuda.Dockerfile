# One asr-instance on an NVIDIA GPU. docker build -f deploy/docker/instance-cuda.Dockerfile -t asr-instance-cuda:0.1.0 .
# Some GB: CUDA's run time, cuDNN and onnxruntime's provider, which comes from nuget.org. The driver's Vulkan is there for
# `--device webgpu` (the container toolkit's capability `graphics`).
# For a build that never changes, name the base by digest: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:22.16.0-bookworm-slim
ARG CUDA_IMAGE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/asr-instance/package.json packages/asr-instance/
COPY packages/balancer/package.json packages/balancer/
COPY packages/dashboard/package.json packages/dashboard/
COPY packages/tools/package.json packages/tools/
COPY packages/supervisor/package.json packages/supervisor/
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json rolldown.config.mjs ./
COPY packages/protocol packages/protocol
COPY packages/asr-instance packages/asr-instance
RUN npx --no-install tsc -b packages/asr-instance && npx --no-install rolldown -c \
  && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --workspace @asr-cluster/asr-instance --workspace @asr-cluster/protocol \
  && ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js \
  # The binding comes for every system; this image is one.
  && cd node_modules/onnxruntime-node/bin/napi-v6 \
  && find . -mindepth 2 -maxdepth 2 ! -path "./linux/$(node -p process.arch)" -exec rm -r {} + \
  && cd /app && find packages node_modules -name '*.map' -delete && find packages -name src -type d -prune -exec rm -r {} +

FROM ${NODE_IMAGE} AS node

FROM ${CUDA_IMAGE}
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg libvulkan1 tini \
  && rm -rf /var/lib/apt/lists/*
COPY --from=node /usr/local/bin/node /usr/local/bin/node
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir /cache && chown 10001:10001 /cache
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages/protocol packages/protocol
COPY --from=build /app/packages/asr-instance packages/asr-instance
USER 10001:10001
# Compiled models; everything else is read only but /tmp, which holds long uploads.
VOLUME /cache
EXPOSE 7861
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:7861/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# An instance that is stopped while it loads ends itself by a signal, which the kernel does not let process 1 do; one that has drained ends with 0.
ENTRYPOINT ["tini", "--", "node", "packages/asr-instance/bin/asr-instance.js", "--host", "0.0.0.0", "--port", "7861", "--cache-dir", "/cache"]
CMD ["--model", "/models/model", "--device", "cuda"]
