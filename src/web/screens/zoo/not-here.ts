import type { RepositoryEntry } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import { counted } from '../../format.ts';
import { type PullRowOptions, pullRow } from './pull.ts';

/** The reason of a model without weights: the command that pulls them. */
const NOT_PULLED = /^not pulled: (?<command>.+)$/;

/** Models that cannot be used: those without weights, and those that are damaged. */
export function notHere(entries: readonly RepositoryEntry[], options: Omit<PullRowOptions, 'command'>): Child {
  const commands = entries.flatMap(({ name, reason }) => {
    const command = NOT_PULLED.exec(reason)?.groups?.['command'];
    return command === undefined ? [] : [{ name, command }];
  });
  // An entry with a version can be used: the first request loads it.
  const broken = entries.filter(
    ({ version, reason }) => version === undefined && reason !== '' && !NOT_PULLED.test(reason),
  );
  return [
    broken.length > 0 &&
      h(
        'section',
        { class: 'block' },
        h('h2', {}, 'Damaged'),
        h(
          'ul',
          { class: 'panel listing' },
          broken.map(({ name, reason }) => h('li', {}, h('strong', {}, name), h('span', { class: 'failure' }, reason))),
        ),
      ),
    commands.length > 0 &&
      h(
        'section',
        { class: 'block' },
        h('h2', {}, 'Not downloaded'),
        h(
          'p',
          { class: 'muted' },
          `${counted(commands.length, 'model')} without weights on this server. A pull downloads and verifies the weights; the model can then be used without a restart.`,
        ),
        h(
          'ul',
          { class: 'panel listing' },
          commands.map(({ name, command }) => pullRow(name, { ...options, command })),
        ),
      ),
  ];
}
