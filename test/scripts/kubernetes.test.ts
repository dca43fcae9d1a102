import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { COMMANDS } from '../../src/command/commands.ts';
import { readConfig, SETTING_NAMES } from '../../src/config.ts';
import {
  HAS_KUBECTL,
  type KubernetesObject,
  OVERLAYS,
  parseObjects,
  renderOverlay,
  WITHOUT_KUBECTL,
} from './kustomize.ts';

/** What the overlays refer to must exist: in themselves, in the server, or in README, which says who makes it. */
const README = readFileSync('scripts/deploy/README.md', 'utf8');
const VERSION = z.object({ version: z.string() }).parse(JSON.parse(readFileSync('package.json', 'utf8'))).version;
const PATHS = Object.keys(
  z.object({ paths: z.record(z.string(), z.unknown()) }).parse(parse(readFileSync('openapi.yaml', 'utf8'))).paths,
);
const IMAGE = `registry.example/menagerie:${VERSION}`;

/** Secrets that README tells to make, as a pod sees them. */
const SECRETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'menagerie-keys': { 'keys.json': '[]' },
  'menagerie-redis': { address: 'redis:6379', password: 'secret' },
  'menagerie-s3': { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' },
};

const probe = z.object({ httpGet: z.object({ path: z.enum(PATHS), port: z.literal('http') }) });
const keyOf = z.object({ name: z.string(), key: z.string() });
const container = z.object({
  image: z.literal(IMAGE),
  args: z.array(z.string()).default(['serve']),
  env: z
    .array(
      z.object({
        name: z.string(),
        value: z.string().optional(),
        valueFrom: z.object({ secretKeyRef: keyOf }).optional(),
      }),
    )
    .default([]),
  envFrom: z
    .array(
      z.object({
        configMapRef: z.object({ name: z.string() }).optional(),
        secretRef: z.object({ name: z.string() }).optional(),
      }),
    )
    .default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  lifecycle: z.object({ preStop: z.object({ exec: z.object({ command: z.array(z.string()) }) }) }).optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  resources: z.object({ requests: z.object({ memory: z.string() }), limits: z.object({ memory: z.string() }) }),
  securityContext: z.object({ readOnlyRootFilesystem: z.literal(true), allowPrivilegeEscalation: z.literal(false) }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const labels = z.record(z.string(), z.string());
const deploymentSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    replicas: z.number().optional(),
    strategy: z.object({ type: z.string() }).optional(),
    selector: z.object({ matchLabels: labels }),
    template: z.object({
      metadata: z.object({ labels }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.object({ runAsNonRoot: z.literal(true) }),
        initContainers: z.array(container).default([]),
        containers: z.tuple([container]),
        volumes: z.array(
          z.object({
            name: z.string(),
            secret: z.object({ secretName: z.string() }).optional(),
            persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
          }),
        ),
      }),
    }),
  }),
});
type Deployment = z.output<typeof deploymentSchema>;

const ofKind = (objects: readonly KubernetesObject[], kind: string) => objects.filter((each) => each.kind === kind);
const deploymentsOf = (objects: readonly KubernetesObject[]) =>
  ofKind(objects, 'Deployment').map((each) => deploymentSchema.parse(each));
const selects = (selector: Readonly<Record<string, string>>, { spec }: Deployment) =>
  Object.entries(selector).every(([name, value]) => spec.template.metadata.labels[name] === value);

/** The environment that Kubernetes gives a container: of its sources, then of its own variables, in which $(NAME) stands for others. */
function environmentOf(objects: readonly KubernetesObject[], { spec }: Deployment): Record<string, string> {
  const [{ env, envFrom }] = spec.template.spec.containers;
  const environment: Record<string, string> = {};
  for (const { configMapRef, secretRef } of envFrom) {
    const map = ofKind(objects, 'ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name);
    if (configMapRef !== undefined) Object.assign(environment, z.object({ data: labels }).parse(map).data);
    if (secretRef !== undefined)
      Object.assign(environment, z.record(z.string(), z.string()).parse(SECRETS[secretRef.name]));
  }
  for (const { name, value, valueFrom } of env) {
    const secret = valueFrom?.secretKeyRef;
    const text = secret === undefined ? value : SECRETS[secret.name]?.[secret.key];
    environment[name] = z
      .string()
      .parse(text)
      .replaceAll(/\$\((\w+)\)/g, (_, other: string) => environment[other] ?? '');
  }
  return environment;
}

describe.skipIf(!HAS_KUBECTL).each(OVERLAYS)(`the overlay %s${WITHOUT_KUBECTL}`, (overlay) => {
  const objects = HAS_KUBECTL ? parseObjects(renderOverlay(overlay)) : [];
  const deployments = deploymentsOf(objects);

  test('gives its processes settings that they take', () => {
    for (const deployment of deployments) {
      const environment = environmentOf(objects, deployment);
      const others = Object.keys(environment).filter((name) => !SETTING_NAMES.includes(name));
      expect(others.filter((name) => !/^(?:AWS|REDIS)_/.test(name))).toEqual([]);
      readConfig(environment);
    }
  });

  test('runs commands that exist', () => {
    for (const { spec } of deployments) {
      const [{ args }] = spec.template.spec.containers;
      expect(args.filter((command) => !(command in COMMANDS))).toEqual([]);
    }
  });

  test('gives each process more time to end than it takes', () => {
    for (const deployment of deployments) {
      const { shutdownTimeoutMs } = readConfig(environmentOf(objects, deployment));
      const { terminationGracePeriodSeconds, containers } = deployment.spec.template.spec;
      const waits = Number(containers[0].lifecycle?.preStop.exec.command.at(-1) ?? 0);
      expect(terminationGracePeriodSeconds).toBeGreaterThan(waits + shutdownTimeoutMs / 1000);
    }
  });

  test('names volumes, claims and secrets that exist, or that README tells to make', () => {
    for (const { spec } of deployments) {
      const { initContainers, containers, volumes } = spec.template.spec;
      const names = volumes.map(({ name }) => name);
      for (const { volumeMounts, env, envFrom } of [...initContainers, ...containers]) {
        expect(names).toEqual(expect.arrayContaining(volumeMounts.map(({ name }) => name)));
        const secrets = [
          ...env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef.name ?? []),
          ...envFrom.flatMap(({ secretRef }) => secretRef?.name ?? []),
          ...volumes.flatMap(({ secret }) => secret?.secretName ?? []),
        ];
        for (const secret of secrets) {
          for (const key of Object.keys(SECRETS[secret] ?? {})) expect(README, `${secret}: ${key}`).toContain(key);
          expect(README).toContain(`kubectl create secret generic ${secret}`);
        }
      }
      const claims = volumes.flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
      expect(ofKind(objects, 'PersistentVolumeClaim').map(({ metadata }) => metadata.name)).toEqual(claims);
    }
  });

  test('has a service that leads to the port of the servers alone', () => {
    const service = z
      .object({ spec: z.object({ selector: labels, ports: z.tuple([z.object({ targetPort: z.string() })]) }) })
      .parse(ofKind(objects, 'Service')[0]);
    const behind = deployments.filter((each) => selects(service.spec.selector, each));
    expect(behind.map(({ metadata }) => metadata.name)).toEqual(['menagerie']);
    for (const deployment of behind) {
      const { port } = readConfig(environmentOf(objects, deployment));
      const [{ ports, startupProbe, readinessProbe, livenessProbe }] = deployment.spec.template.spec.containers;
      expect(ports).toEqual([{ name: service.spec.ports[0].targetPort, containerPort: port }]);
      expect([startupProbe, readinessProbe, livenessProbe]).not.toContain(undefined);
    }
  });

  test('selects its own pods wherever it selects any', () => {
    for (const deployment of deployments) expect(selects(deployment.spec.selector.matchLabels, deployment)).toBe(true);
    const budgets = ofKind(objects, 'PodDisruptionBudget').map((each) =>
      z.object({ spec: z.object({ selector: z.object({ matchLabels: labels }) }) }).parse(each),
    );
    const policies = ofKind(objects, 'NetworkPolicy').map((each) =>
      z.object({ spec: z.object({ podSelector: z.object({ matchLabels: labels }) }) }).parse(each),
    );
    const selectors = [
      ...budgets.map(({ spec }) => spec.selector.matchLabels),
      ...policies.map(({ spec }) => spec.podSelector.matchLabels),
    ];
    for (const selector of selectors) expect(deployments.some((each) => selects(selector, each))).toBe(true);
  });
});

const objectsOf = (overlay: (typeof OVERLAYS)[number]) => parseObjects(renderOverlay(overlay));

test.skipIf(!HAS_KUBECTL)(`single: the folder has room for one server${WITHOUT_KUBECTL}`, () => {
  const objects = objectsOf('single');
  expect(objects.map(({ kind }) => kind).sort()).toEqual(['Deployment', 'PersistentVolumeClaim', 'Service']);
  const [deployment] = deploymentsOf(objects);
  expect(deployment?.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
});

describe.skipIf(!HAS_KUBECTL)(`replicas${WITHOUT_KUBECTL}`, () => {
  const objects = HAS_KUBECTL ? objectsOf('replicas') : [];
  const deployments = deploymentsOf(objects);
  const configOf = (name: string) => {
    const found = deployments.find(({ metadata }) => metadata.name === name);
    return readConfig(environmentOf(objects, deploymentSchema.parse(found)));
  };

  test('servers leave the jobs to the workers, in one Redis and one bucket', () => {
    const [server, worker] = [configOf('menagerie'), configOf('menagerie-worker')];
    expect(server).toMatchObject({ workOnJobs: false, jobQueue: 'redis://:secret@redis:6379' });
    expect([worker.jobQueue, worker.artifactStore]).toEqual([server.jobQueue, server.artifactStore]);
    expect(server.artifactStore).toMatch(/^s3:/);
  });

  test('no number of replicas is set that what scales them would fight with', () => {
    for (const { spec } of deployments) expect(spec.replicas).toBe(undefined);
    const target = z.object({ spec: z.object({ scaleTargetRef: z.object({ name: z.string() }) }) });
    const scaled = [...ofKind(objects, 'HorizontalPodAutoscaler'), ...ofKind(objects, 'ScaledObject')];
    expect(scaled.map((each) => target.parse(each).spec.scaleTargetRef.name).sort()).toEqual(
      deployments.map(({ metadata }) => metadata.name).sort(),
    );
  });

  test('workers are counted by the list of unfinished jobs, which is read with the address and password of the servers', () => {
    const trigger = z.object({
      type: z.literal('redis'),
      metadata: z.object({ listName: z.string(), listLength: z.string() }),
      authenticationRef: z.object({ name: z.string() }),
    });
    const scaled = z
      .object({ spec: z.object({ triggers: z.tuple([trigger]) }) })
      .parse(ofKind(objects, 'ScaledObject')[0]);
    const [{ metadata, authenticationRef }] = scaled.spec.triggers;
    expect(metadata).toEqual({ listName: '{menagerie}:unfinished', listLength: '1' });
    const authentication = ofKind(objects, 'TriggerAuthentication').find(
      (each) => each.metadata.name === authenticationRef.name,
    );
    const { spec } = z
      .object({ spec: z.object({ secretTargetRef: z.array(keyOf.extend({ parameter: z.string() })) }) })
      .parse(authentication);
    for (const { parameter, name, key } of spec.secretTargetRef) {
      expect(parameter).toBe(key);
      expect(SECRETS[name]).toHaveProperty(key);
    }
  });

  test('every pod has a network policy for what it asks and for who asks it', () => {
    const policies = ofKind(objects, 'NetworkPolicy').map((each) =>
      z
        .object({
          spec: z.object({ podSelector: z.object({ matchLabels: labels }), policyTypes: z.array(z.string()) }),
        })
        .parse(each),
    );
    for (const deployment of deployments) {
      const applied = policies.filter(({ spec }) => selects(spec.podSelector.matchLabels, deployment));
      expect(applied.flatMap(({ spec }) => spec.policyTypes).sort()).toEqual(['Egress', 'Ingress']);
    }
  });
});

describe('KServe', () => {
  const read = (name: string) =>
    parse(readFileSync(`scripts/deploy/kubernetes/kserve/${name}.yaml`, 'utf8')) as unknown;
  const port = z.object({ containerPort: z.number() });
  const runtime = z
    .object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({
        supportedModelFormats: z.tuple([z.object({ name: z.string() })]),
        protocolVersions: z.array(z.string()),
        containers: z.tuple([
          container.extend({
            ports: z.array(port).default([]),
            readinessProbe: z.object({ httpGet: z.object({ path: z.enum(PATHS), port: z.number() }) }),
            livenessProbe: z.object({ httpGet: z.object({ path: z.enum(PATHS), port: z.number() }) }),
          }),
        ]),
      }),
    })
    .parse(read('serving-runtime'));
  const [served] = runtime.spec.containers;
  const settings = (env: typeof served.env) => Object.fromEntries(env.map(({ name, value }) => [name, value]));

  test('the runtime serves what lies where KServe puts it, under the name of the service, on the port that is probed', async () => {
    const [command = '', ...options] = served.args;
    const known = (await COMMANDS[command]?.load())?.options ?? {};
    expect(options).toEqual(['--from=/mnt/models', '--model={{.Name}}']);
    for (const option of options) {
      expect(Object.keys(known)).toContain(option.replace(/^--(\w+)=.*/, '$1'));
    }
    // KServe and Knative take 8080 where no port is named. A port of a service would come beside one that is named here,
    // and Knative refuses two.
    expect(served.ports).toEqual([]);
    const config = readConfig({ ...settings(served.env), PORT: '8080' });
    expect(config).toMatchObject({ allowAnonymous: 'classify', port: served.readinessProbe.httpGet.port });
    expect(served.livenessProbe.httpGet.port).toBe(config.port);
  });

  test.each(['inference-service', 'inference-service-grpc'])(
    '%s takes the runtime, a format and a protocol of it',
    (name) => {
      const { model } = z
        .object({
          spec: z.object({
            predictor: z.object({
              model: z.object({
                runtime: z.literal(runtime.metadata.name),
                modelFormat: z.object({ name: z.literal(runtime.spec.supportedModelFormats[0].name) }),
                protocolVersion: z.enum(runtime.spec.protocolVersions),
                storageUri: z.url(),
                env: container.shape.env,
                command: z.array(z.string()).default([]),
                ports: z.array(port).default([]),
              }),
            }),
          }),
        })
        .parse(read(name)).spec.predictor;
      // Knative sets PORT to the port of the container, and lets nobody set it in `env`.
      const [{ containerPort } = { containerPort: 8080 }] = model.ports;
      const changed = model.command.flatMap((word) => (/^[A-Z_]+=/.test(word) ? [word.split('=', 2)] : []));
      const { port: httpPort, grpcPort } = readConfig({
        ...settings(model.env),
        PORT: String(containerPort),
        ...Object.fromEntries(changed),
      });
      expect(httpPort).toBe(served.readinessProbe.httpGet.port);
      expect(model.ports.map(({ containerPort }) => containerPort)).toEqual(grpcPort === 0 ? [] : [grpcPort]);
      expect(model.protocolVersion === 'grpc-v2').toBe(grpcPort !== 0);
    },
  );
});
