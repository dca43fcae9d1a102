import { describeJobQueue } from '../contract/job-queue.ts';
import { MemoryJobJournal, openMemoryJobQueue } from './memory-job-queue.ts';

describeJobQueue('in memory', async () => {
  const journal = new MemoryJobJournal();
  return {
    open: (conditions) => openMemoryJobQueue(conditions, journal),
    dispose: async () => {},
  };
});
