import { describeArtifactStore } from '../contract/artifact-store.ts';
import { MemoryArtifactStore } from './memory-artifact-store.ts';

describeArtifactStore('in memory', async () => {
  const store = new MemoryArtifactStore();
  return { open: async () => store, dispose: () => store.dispose() };
});
