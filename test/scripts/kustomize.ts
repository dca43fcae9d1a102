import { execFileSync, spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

/** Folders of `scripts/deploy/kubernetes` that are applied, each a whole set of objects. */
export const OVERLAYS = ['single', 'replicas'] as const;
export type Overlay = (typeof OVERLAYS)[number];

/** `kubectl kustomize` asks no cluster. */
export const HAS_KUBECTL = spawnSync('kubectl', ['version', '--client']).status === 0;
export const WITHOUT_KUBECTL = HAS_KUBECTL ? '' : ' (skipped: kubectl is missing)';

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
});

/** An object of Kubernetes. */
export type KubernetesObject = z.output<typeof objectSchema>;

/** What `kubectl apply --kustomize` sends to a cluster, as YAML. */
export function renderOverlay(overlay: Overlay): string {
  return execFileSync('kubectl', ['kustomize', `scripts/deploy/kubernetes/${overlay}`], { encoding: 'utf8' });
}

/** The documents of a YAML file, as objects of Kubernetes. */
export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text).map((document) => objectSchema.parse(document.toJS()));
}
