import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import { sentence } from '../../components/notice.ts';
import { fill, h } from '../../dom.ts';
import { type Agreement, compared, NOTHING_COMPARED } from '../../edge/agreement.ts';
import type { BrowserAnswer } from '../../edge/model.ts';
import { counted, percent } from '../../format.ts';

/** Compares answers of the browser with those of the server, and shows how often they agree. */
export interface ServerComparison {
  readonly element: HTMLElement;
  /** Sends an image to the server too, unless the user does not want that or an earlier one is on its way. */
  compare(file: File, here: BrowserAnswer): Promise<void>;
  /** Forgets the images of another model. @param model the one to compare */
  restart(model: string): void;
}

/** The choice whether to compare, and the agreement so far. */
export function serverComparison(client: Client, signal: AbortSignal): ServerComparison {
  let agreement: Agreement = NOTHING_COMPARED;
  let model = '';
  let asking = false;
  const wanted = h('input', { type: 'checkbox', checked: true });
  const told = h('p', { role: 'status' }, 'Not compared yet.');

  const compare = async (file: File, here: BrowserAnswer): Promise<void> => {
    if (!wanted.checked || asking) return;
    asking = true;
    const id = model;
    try {
      const form = [{ name: 'image', value: file }];
      const query = { model: id, top_k: here.predictions.length };
      const { results } = await patiently(() => client.call('classify', { query, form, signal }), signal);
      const [result] = results;
      if (result === undefined || 'error' in result || model !== id) return;
      agreement = compared(agreement, here, result);
      fill(told, inWords(agreement));
    } catch (thrown) {
      if (signal.aborted) return;
      const reason = sentence(thrown instanceof Error ? thrown.message : String(thrown));
      fill(told, `Comparison with the server failed. ${reason}`);
    } finally {
      asking = false;
    }
  };

  return {
    element: h('div', {}, h('label', { class: 'row check' }, wanted, 'Compare with the server'), told),
    compare,
    restart: (next) => {
      model = next;
      agreement = NOTHING_COMPARED;
      fill(told, 'Not compared yet.');
    },
  };
}

function inWords({ pictures, same, sameUnknown, difference }: Agreement): string {
  const unknown = sameUnknown === pictures ? '' : ` They disagree on “unknown” for ${pictures - sameUnknown}.`;
  return `Same top class as the server for ${same} of ${counted(pictures, 'image')}. Scores differ by at most ${percent(difference, 2)}.${unknown}`;
}
