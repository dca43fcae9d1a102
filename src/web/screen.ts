import type { Client } from './api/client.ts';
import type { Route } from './router.ts';
import type { Session } from './session.ts';

/** What a screen stands on. */
export interface ScreenContext {
  readonly route: Route;
  readonly client: Client;
  readonly session: Session;
}

/** One screen, while it is shown. */
export interface Screen {
  /** For the title of the window. */
  readonly title: string;
  readonly element: HTMLElement;
  /** Ends what the screen has under way. */
  close?(): void;
}

export type OpenScreen = (context: ScreenContext) => Screen;
