import { buildPage } from '../../scripts/build-page.mjs';

/** Builds the page as `npm start` does. */
export default async function build(): Promise<void> {
  if (!(await buildPage('.'))) throw new Error('the page could not be built');
}
