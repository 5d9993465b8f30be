# One asr-instance on the CPU. docker build -f deploy/docker/instance.Dockerfile -t asr-instance:0.1.0 .
# For a build that never changes, name the base by digest: --build-arg NODE_IMAGE=node@sha256:…
ARG NODE_IMAGE=node:22.16.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/asr-instance/package.json packages/asr-instance/
COPY packages/balancer/package.json packages/balancer/
COPY packages/dashboard/package.json packages/dashboard/
COPY packages/tools/package.json packages/tools/
COPY packages/supervisor/package.json packages/supervisor/
# No script of a dependency runs: the only one (onnxruntime-node's) would fetch CUDA.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json rolldown.config.mjs ./
COPY packages/protocol packages/protocol
COPY packages/asr-instance packages/asr-instance
RUN npx --no-install tsc -b packages/asr-instance && npx --no-install rolldown -c \
  && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --workspace @asr-cluster/asr-instance --workspace @asr-cluster/protocol \
  # The binding comes for every system; this image is one.
  && cd node_modules/onnxruntime-node/bin/napi-v6 \
  && find . -mindepth 2 -maxdepth 2 ! -path "./linux/$(node -p process.arch)" -exec rm -r {} + \
  && cd /app && find packages node_modules -name '*.map' -delete && find packages -name src -type d -prune -exec rm -r {} +

# ffmpeg decodes whatever is not WAV. Only what it links is taken: its packages would bring 300 MB of graphics drivers.
FROM ${NODE_IMAGE} AS ffmpeg
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg tini \
  && libraries=$(ldd /usr/bin/ffmpeg | awk '$2 == "=>" { print $3 }' | grep -vE '/(libc|libm|libgcc_s|libstdc\+\+)\.so') \
  && to=/out$(dirname "$(readlink -f "$(echo "$libraries" | grep -m1 libavcodec)")") \
  && mkdir -p "$to" /out/usr/bin \
  && cp -L $libraries "$to" \
  && cp /usr/bin/ffmpeg /usr/bin/tini /out/usr/bin/

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=ffmpeg /out/ /
RUN ffmpeg -version > /dev/null && mkdir /cache && chown 10001:10001 /cache
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
CMD ["--model", "/models/model"]
