# The balancer alone. docker build -f deploy/docker/balancer.Dockerfile -t asr-balancer:0.1.0 .
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
COPY packages/protocol packages/protocol
COPY packages/dashboard packages/dashboard
COPY packages/balancer packages/balancer
RUN npx --no-install tsc -b packages/balancer && npx --no-install rolldown -c \
  && npm run --silent build --workspace @asr-cluster/dashboard \
  && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --workspace @asr-cluster/balancer --workspace @asr-cluster/protocol --workspace @asr-cluster/dashboard \
  && find packages node_modules -name '*.map' -delete && find packages -name src -type d -prune -exec rm -r {} +

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/packages/protocol packages/protocol
COPY --from=build /app/packages/dashboard packages/dashboard
COPY --from=build /app/packages/balancer packages/balancer
USER 10001:10001
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["node", "-e", "fetch('http://127.0.0.1:7860/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--single-threaded-gc", "packages/balancer/bin/asr-balancer.js", "--host", "0.0.0.0", "--port", "7860"]
CMD ["--help"]
