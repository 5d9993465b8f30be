/**
 * Commands of the documentation that need a network, another machine, root or minutes. Each names the test or script that
 * does the same with what a test can have, and a text by which that file shows it.
 */
export const coveredElsewhere: readonly { command: RegExp; by: string; shows: RegExp }[] = [
  { command: /^npm ci( && npx asr-cluster up)?$/, by: '.ci/run', shows: /npm ci/ },
  { command: /^npm (ci && npm )?test$/, by: '.ci/run', shows: /npm test/ },
  { command: /^npx asr-cluster up$/, by: 'test/harness/cluster.ts', shows: /'up', \.\.\.flags/ },
  {
    command: /^npx asr-cluster up --model \/models\/\S+ --instances 4$/,
    by: 'test/tools/import.test.ts',
    shows: /--model \$\{repositoryRoot\}models\/demo/,
  },
  {
    command: /^(npx )?asr-cluster up --model Qwen\/\S+/,
    by: 'test/tools/pull.test.ts',
    shows: /'up'|pulled/,
  },
  { command: /^(npx )?asr-cluster pull /, by: 'test/tools/pull.test.ts', shows: /'pull'/ },
  { command: /^asr-cluster up -c asr-cluster.yaml$/, by: 'test/tools/import.test.ts', shows: /'-c', file/ },
  { command: /^npx asr-cluster up --detach$/, by: 'test/supervisor/lifecycle.test.ts', shows: /'--detach'/ },
  { command: /^asr-cluster import /, by: 'test/tools/import.test.ts', shows: /'import',\s+'--supervisor'/ },
  {
    command: /^asr-balancer --upstream 'http:/,
    by: 'packages/balancer/src/cli.test.ts',
    shows: /--upstream/,
  },
  {
    command: /^asr-balancer --upstream '(dns|srv|k8s|kubernetes|k8s-service)/,
    by: 'packages/balancer/src/upstreams/parse-upstream.test.ts',
    shows: /dns\+http/,
  },
  // It would change the machine of whoever runs the tests.
  { command: /^apt-get install /, by: '.ci/run', shows: /apt-get install/ },
  { command: /^docker (build|run) /, by: 'deploy/docker/check.sh', shows: /DOCKER build/ },
  { command: /^deploy\/docker\/check\.sh/, by: 'test/kubernetes/containers.test.ts', shows: /check\.sh/ },
  { command: /^helm install /, by: 'test/kubernetes/manifests.test.ts', shows: /'template', 'r', chart/ },
  { command: /^kubectl apply /, by: 'test/kubernetes/manifests.test.ts', shows: /expectValid\(plain\)/ },
  { command: /^asr-balancer --config/, by: 'packages/balancer/src/cli.test.ts', shows: /--config/ },
  {
    command: /^prometheus --config.file=/,
    by: 'test/observability/live-alerts.test.ts',
    shows: /--config\.file/,
  },
  { command: /^promtool /, by: 'test/observability/rules.test.ts', shows: /promtool/ },
  {
    command: /^npm install @opentelemetry/,
    by: 'test/observability/tracing.test.ts',
    shows: /opentelemetry\.mjs/,
  },
  { command: /^OTEL_EXPORTER/, by: 'test/observability/tracing.test.ts', shows: /OTEL_EXPORTER/ },
  {
    command: /^(cp deploy\/systemd|systemctl )/,
    by: 'test/supervisor/systemd.test.ts',
    shows: /asr-cluster\.service/,
  },
  // An hour and a half; the model that it made is what all the other tests run.
  { command: /^python3 models\/demo\/recipe\/make.py /, by: 'models/demo/recipe/make.py', shows: /--hours/ },
  {
    command: /^node bench\/gpu\/check\.mjs --driver lavapipe/,
    by: 'test/engine/software-vulkan.test.ts',
    shows: /check\.mjs/,
  },
]
