import { DownloadError, NotThereError, shown } from './download-error.ts';
import type { DownloadRequest } from './download-request.ts';
import { fetchFollowing } from './hub.ts';

/** The digest in a file beside the file, as `sha256sum` writes it: so a mirror publishes what no header says. @throws DownloadError */
export async function digestBeside(request: DownloadRequest): Promise<string> {
  const url = new URL(request.url);
  url.pathname += '.sha256';
  const nobody = `no digest is known of ${shown(request.url)}: neither the manifest has one, nor a header, nor ${shown(url)}`;
  try {
    const { response, body } = await fetchFollowing(url, { ...request, headers: {} });
    let text = '';
    for await (const chunk of body) {
      text += String(chunk);
      if (text.length > 1024) break;
    }
    response.destroy();
    const digest = /^[0-9a-f]{64}\b/i.exec(text)?.[0];
    if (digest === undefined) throw new DownloadError(nobody);
    return digest.toLowerCase();
  } catch (thrown) {
    throw thrown instanceof NotThereError ? new DownloadError(nobody) : thrown;
  }
}
