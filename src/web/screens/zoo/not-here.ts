import type { RepositoryEntry } from '../../api/schema.ts';
import { type Child, h } from '../../dom.ts';
import { counted } from '../../format.ts';
import { type PullRowOptions, pullRow } from './pull.ts';

/** The reason of a model whose weights are elsewhere begins so; the command that gets them follows. */
const NOT_PULLED = /^not pulled: (?<command>.+)$/;

/** Models that cannot answer: those whose weights are to be pulled first, and those that are broken. */
export function notHere(entries: readonly RepositoryEntry[], options: Omit<PullRowOptions, 'command'>): Child {
  const commands = entries.flatMap(({ name, reason }) => {
    const command = NOT_PULLED.exec(reason)?.groups?.['command'];
    return command === undefined ? [] : [{ name, command }];
  });
  // What has a version is there, and loaded by the first request.
  const broken = entries.filter(
    ({ version, reason }) => version === undefined && reason !== '' && !NOT_PULLED.test(reason),
  );
  return [
    broken.length > 0 &&
      h(
        'section',
        { class: 'block' },
        h('h2', {}, 'Broken'),
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
        h('h2', {}, 'Not here yet'),
        h(
          'p',
          { class: 'muted' },
          `${counted(commands.length, 'model')} whose weights are elsewhere. They are downloaded from where the zoo pins them and verified; the model then answers without a restart.`,
        ),
        h(
          'ul',
          { class: 'panel listing' },
          commands.map(({ name, command }) => pullRow(name, { ...options, command })),
        ),
      ),
  ];
}
