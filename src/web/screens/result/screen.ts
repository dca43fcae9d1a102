import { apiPanel } from '../../components/api-panel.ts';
import { h } from '../../dom.ts';
import { hrefOf } from '../../router.ts';
import type { Screen, ScreenContext } from '../../screen.ts';
import { workshopOf } from '../../workshop.ts';
import { resultView } from './view.ts';

/** The training report of a version: `#/results/flowers/2`. */
export function resultScreen(context: ScreenContext): Screen {
  const { client, route } = context;
  const { drafts } = workshopOf(context);
  const [, model = '', version = ''] = route.path;
  const api = apiPanel();
  let keyed = false;
  const watched = client.watched((request) => {
    keyed = request.keyed ?? false;
    api.show(request);
  });
  const result = resultView({
    client: watched,
    model,
    version: Number(version),
    drafts,
    tab: route.query.get('tab'),
    isKeyed: () => keyed,
  });
  const title = `${model}, version ${version}`;
  return {
    title,
    element: h(
      'div',
      { class: 'screen' },
      h('div', { class: 'lead' }, h('p', {}, h('a', { href: hrefOf(['zoo', model]) }, model)), h('h1', {}, title)),
      result.element,
      api.element,
    ),
    close: result.close,
  };
}
