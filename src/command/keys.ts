import type { StoredKey } from '../access/api-key.ts';
import { KeyFile } from '../access/key-file.ts';
import { SCOPES } from '../access/scope.ts';
import { defineCommand } from './command.ts';
import { formatTable } from './format-table.ts';
import { choice, expectEnd, required } from './options.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

const NAME = /^[\w.-]{1,64}$/;

/** Makes, lists and revokes the keys of a server with the same DATA_DIR. */
export const keys = defineCommand({
  usage: 'create <name> | list | revoke <name or id>',
  details:
    'A key is shown once, when it is created: keep it. DATA_DIR/keys.json has only its SHA-256. A running server\n' +
    'with the same DATA_DIR takes a new key, and refuses a revoked one, within two seconds. Once a key was\n' +
    'created, requests need one on loopback too, unless ALLOW_ANONYMOUS says otherwise.\n\n' +
    'Each scope includes those before it:\n' +
    '  classify  classify and explain images; read the list of models\n' +
    '  teach     train, promote and download models; read their reports\n' +
    '  admin     pull, load and remove models; read the metrics',
  options: { scope: choice(SCOPES, 'what a new key may do', 'classify') },
  run: async ({ values, positionals }, { terminal, config: readConfig }) => {
    const [action, name, ...rest] = positionals;
    const file = new KeyFile((await readConfig()).dataDir);
    if (action === 'list') {
      expectEnd(name === undefined ? [] : [name, ...rest]);
      show((await file.read()) ?? [], terminal);
    } else if (action === 'create') {
      expectEnd(rest);
      const { key, stored } = await file.create(checkedName(name), values.scope);
      terminal.note(`Key "${stored.name}" with the scope ${stored.scope}. It is not shown again:`);
      terminal.line(key);
      terminal.document({ key, ...documentOf(stored) });
    } else if (action === 'revoke') {
      expectEnd(rest);
      const revoked = await file.revoke(required('the name of the key', name));
      terminal.line(`${revoked.name}: revoked`);
      terminal.document(documentOf(revoked));
    } else {
      throw new UsageError(
        `${action === undefined ? 'an action is missing' : `there is no action ${action}`}: create, list or revoke`,
      );
    }
    return undefined;
  },
});

function checkedName(name: string | undefined): string {
  const given = required('a name for the key, such as the program that will use it,', name);
  if (NAME.test(given)) return given;
  throw new UsageError(`"${given}" is no name for a key: use up to 64 letters, digits, ".", "_" and "-"`);
}

function show(stored: readonly StoredKey[], terminal: Terminal): void {
  const cells = stored.map(({ name, scope, id, created_at, revoked_at }) => {
    return [name, scope, id, created_at.slice(0, 10), revoked_at?.slice(0, 10) ?? '-'];
  });
  if (stored.length === 0)
    terminal.line('There are no keys. Create one: npx menagerie keys create <name> --scope admin');
  else terminal.line(formatTable(['name', 'scope', 'id', 'created', 'revoked'], cells));
  terminal.document({ keys: stored.map(documentOf) });
}

function documentOf({ id, name, scope, created_at, revoked_at }: StoredKey) {
  return { id, name, scope, created_at, revoked_at };
}
