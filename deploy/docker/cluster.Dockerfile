# The command `asr-cluster` with all that it starts but ffmpeg: to fetch models.
# docker build -f deploy/docker/cluster.Dockerfile -t asr-cluster:0.1.0 .
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
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json rolldown.config.mjs ./
COPY packages packages
RUN npx --no-install tsc -b packages/supervisor && npx --no-install rolldown -c \
  && npm run --silent build --workspace @asr-cluster/dashboard \
  && npm ci --ignore-scripts --omit=dev --no-audit --no-fund \
  && cd node_modules/onnxruntime-node/bin/napi-v6 \
  && find . -mindepth 2 -maxdepth 2 ! -path "./linux/$(node -p process.arch)" -exec rm -r {} + \
  && cd /app && find packages node_modules -name '*.map' -delete && find packages -name src -type d -prune -exec rm -r {} +

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages packages
USER 10001:10001
ENTRYPOINT ["node", "packages/supervisor/bin/asr-cluster.js"]
CMD ["--help"]
