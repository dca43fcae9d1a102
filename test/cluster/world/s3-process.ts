/** The S3 API of a run, in a process of its own: prints its address, and ends with the process that started it. */
import { MemoryS3 } from '../../registry/s3/memory-s3.ts';

const s3 = await MemoryS3.start('cluster');
process.on('disconnect', () => process.exit());
process.send?.(s3.endpoint);
