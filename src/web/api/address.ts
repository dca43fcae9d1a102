/**
 * The path of the server, without a slash at its end: empty, or the prefix under which a proxy serves it. The page is
 * at the top of it.
 */
export const SERVER_PATH = new URL('.', document.baseURI).pathname.slice(0, -1);

/** The URL of the server, for programs. */
export const SERVER_URL = location.origin + SERVER_PATH;
