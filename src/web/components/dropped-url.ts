/**
 * The image at an address that was dropped or pasted.
 * @throws Error that says why the page cannot have it, and what to do
 */
export async function fileAt(address: string): Promise<File> {
  const url = new URL(address, location.href);
  if (url.protocol === 'data:') return fileIn(url);
  // The policy of the page lets it read from its own server alone, and most sites forbid it anyway.
  if (url.origin !== location.origin || url.protocol === 'blob:') {
    const place = url.host === '' ? 'in another page' : `on ${url.host}`;
    throw new Error(
      `This image is ${place}, from where a page may not read it. Save it as a file, then drop the file.`,
    );
  }
  const response = await fetch(url);
  const blob = await response.blob();
  if (!response.ok || !blob.type.startsWith('image/')) throw noImage(address);
  return new File([blob], url.pathname.split('/').at(-1) || 'image', { type: blob.type });
}

/** Decodes a data URL; the policy of the page forbids to fetch it. */
function fileIn({ href }: URL): File {
  const [, type = '', base64, data = ''] = /^data:(image\/[\w.+-]+)[^,]*?(;base64)?,(.*)$/.exec(href) ?? [];
  if (type === '' || base64 === undefined) throw noImage(href);
  const bytes = Uint8Array.from(atob(decodeURIComponent(data)), (character) => character.charCodeAt(0));
  return new File([bytes], `image.${type.slice('image/'.length)}`, { type });
}

function noImage(address: string): Error {
  const shown = address.length > 60 ? `${address.slice(0, 60)} …` : address;
  return new Error(`There is no image at “${shown}”. Drop images, or folders or a zip of them.`);
}
