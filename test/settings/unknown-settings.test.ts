import { expect, test } from 'vitest';
import { SETTING_NAMES } from '../../src/config.ts';
import { unknownSettings } from '../../src/settings/unknown-settings.ts';

const namedIn = (environment: Readonly<Record<string, string>>) => unknownSettings(environment, SETTING_NAMES);

test('a variable that is spelled nearly like a setting is named with it', () => {
  expect(namedIn({ MAX_BATCHSIZE: '8', PORT: '80', SHUTDOWN_TIMEOUT: '5' })).toEqual([
    { name: 'MAX_BATCHSIZE', nearest: 'MAX_BATCH_SIZE' },
    { name: 'SHUTDOWN_TIMEOUT', nearest: 'SHUTDOWN_TIMEOUT_MS' },
  ]);
});

test('a variable with the name of the program is named, whether a setting is near or not', () => {
  expect(namedIn({ MENAGERIE_DATA_DIR: '/data', MENAGERIE_COLOUR: 'red' })).toEqual([
    { name: 'MENAGERIE_DATA_DIR', nearest: 'DATA_DIR' },
    { name: 'MENAGERIE_COLOUR', nearest: undefined },
  ]);
});

test('variables of other programs are not', () => {
  const others = `PATH HOME HOSTNAME PWD OLDPWD SHLVL LANG LC_ALL TERM USER LOGNAME SHELL EDITOR TMPDIR NODE_ENV NODE_OPTIONS
    NODE_VERSION HF_TOKEN HF_ENDPOINT HTTP_PROXY https_proxy NO_PROXY CI npm_config_cache npm_package_version
    npm_config_max_sockets UV_THREADPOOL_SIZE OMP_NUM_THREADS KUBERNETES_SERVICE_HOST KUBERNETES_PORT_443_TCP
    MENAGERIE_SERVICE_HOST MENAGERIE_SERVICE_PORT MENAGERIE_PORT MENAGERIE_PORT_8080_TCP MENAGERIE_PORT_8080_TCP_ADDR
    OTEL_EXPORTER_OTLP_ENDPOINT OTEL_SERVICE_NAME XDG_DATA_DIRS XDG_RUNTIME_DIR SSH_CONNECTION LESSOPEN DISPLAY`;
  expect(namedIn(Object.fromEntries(others.split(/\s+/).map((name) => [name, 'x'])))).toEqual([]);
});
