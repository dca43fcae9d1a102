import type { Client } from './api/client.ts';
import type { ModelSummary } from './api/schema.ts';
import { counted } from './format.ts';

/** A model that was taught here, as far as it is needed to remove it. */
export type RemovableModel = Pick<ModelSummary, 'id' | 'versions' | 'aliases' | 'damaged'>;

/** Asks whether a model is to be removed, with everything that goes with it. */
export function confirmRemoval({ id, versions }: RemovableModel): boolean {
  return confirm(`Delete “${id}” with ${counted(versions.length, 'version')}? This cannot be undone.`);
}

/**
 * Removes a model: its aliases first, since a version that one points to cannot be removed. What could be removed stays
 * removed after an error.
 */
export async function removeModel(client: Client, model: RemovableModel, signal: AbortSignal): Promise<void> {
  const { id, versions, aliases, damaged = [] } = model;
  const targets = damaged.map(({ reference }) => reference.slice(id.length + 1));
  const isVersion = (target: string): boolean => /^\d+$/.test(target);
  for (const alias of new Set([...Object.keys(aliases), ...targets.filter((target) => !isVersion(target))])) {
    await client.call('removeAlias', { path: { id, alias }, signal });
  }
  for (const version of [...versions, ...targets.filter(isVersion)]) {
    await client.call('removeVersion', { path: { id: `${id}@${version}` }, signal });
  }
}
