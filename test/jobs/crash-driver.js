// Works on a job queue until it is killed: enqueues, claims, reports and cancels. Prints what the queue has
// acknowledged as lines of JSON. Run by
// file-kill.slow.ts and redis/redis-kill.slow.ts; plain JavaScript, since it is forked.
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../../dist/src/common/logger.js';
import { openFileJobQueue } from '../../dist/src/jobs/file-job-queue.js';
import { FolderArchives } from '../../dist/src/jobs/redis/job-archives.js';
import { RedisJobQueue } from '../../dist/src/jobs/redis/redis-job-queue.js';

/** The address of Redis, if the queue is there. */
const [folder, round, url] = process.argv.slice(2);
const limits = { maxQueued: 8, keepFinished: 1000, leaseMs: 500 };
const queue =
  url === undefined
    ? await openFileJobQueue(join(folder, 'jobs'), createLogger('silent'), limits)
    : await openOnRedis();

/** Redis may fall while the queue is opened. */
async function openOnRedis() {
  for (;;) {
    try {
      return await RedisJobQueue.open({
        url,
        archives: await FolderArchives.open(join(folder, 'archives')),
        logger: createLogger('silent'),
        limits,
      });
    } catch (thrown) {
      if (thrown.code !== 'storage_unavailable') throw thrown;
    }
  }
}

function acknowledged(fact) {
  writeSync(1, `${JSON.stringify(fact)}\n`);
}

acknowledged({ open: true });

async function client() {
  for (let i = 0; ; i += 1) {
    const label = `${round}.${i}`;
    const archivePath = join(folder, `upload-${label}`);
    writeFileSync(archivePath, label);
    const { id } = await enqueueOnceThereIsRoom({ payload: { label }, archivePath });
    acknowledged({ enqueued: id, label });
    if (i % 3 !== 2) continue;
    try {
      acknowledged({ ended: (await queue.cancel(id)).id, state: 'cancelled' });
    } catch (thrown) {
      if (thrown.code !== 'job_finished' && thrown.code !== 'storage_unavailable') throw thrown;
    }
  }
}

async function enqueueOnceThereIsRoom(request) {
  for (;;) {
    try {
      return await queue.enqueue(request);
    } catch (thrown) {
      if (thrown.code !== 'job_queue_full' && thrown.code !== 'storage_unavailable') throw thrown;
      writeFileSync(request.archivePath, request.payload.label);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function claimOnceItCan() {
  for (;;) {
    try {
      return await queue.claim();
    } catch (thrown) {
      if (thrown.code !== 'storage_unavailable') throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function worker() {
  for (;;) {
    const claim = await claimOnceItCan();
    const { id } = claim.job;
    acknowledged({ claimed: id, attempts: claim.job.attempts });
    try {
      for (let step = 1; step <= 3; step += 1) {
        await queue.report(claim, { type: 'progress', progress: { phase: 'train', step } });
        acknowledged({ progressed: id, step });
      }
      await queue.report(claim, { type: 'succeeded', result: { of: id } });
      acknowledged({ ended: id, state: 'succeeded' });
    } catch (thrown) {
      if (thrown.name !== 'ClaimLostError') throw thrown;
    }
  }
}

await Promise.all([client(), worker(), worker()]);
