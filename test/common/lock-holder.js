// Locks the folder that it is given, says so on standard output and keeps it until it is ended; when the folder is
// taken, says by whom and exits. Run by folder-lock.test.ts; plain JavaScript, since it is another process.
import { lockFolder } from '../../dist/src/common/folder-lock.js';

try {
  await lockFolder(process.argv[2]);
  console.log('locked');
  setInterval(() => undefined, 1_000_000);
} catch (thrown) {
  console.log(thrown.message);
}
