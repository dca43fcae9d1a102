import { expect, test } from 'vitest';
import type { Answer, Call, Fact, FactOf, Outage, SeenJob, SeenModel, SeenNumber } from '../history.ts';
import { judge } from './oracle.ts';

/** A minute in, when everything of before is known to everybody. */
const LATER = 60_000;

function answer(status: number, code: string | null = null): Answer {
  return { status, code, flaw: null, gaveUp: false };
}

function call(at: number, status = 200, replica = 'one', code: string | null = null): Call {
  return { at, until: at + 10, replica, answer: answer(status, code) };
}

function job(id: string, mark: number, state = 'succeeded', number: number | null = null): SeenJob {
  const version = number === null ? null : { model: 'alpha', number };
  return { id, mark, state, failure: null, version };
}

function version(number: number, key: string, rest: Partial<SeenNumber> = {}): SeenNumber {
  return { model: 'alpha', number, state: 'present', key, damage: null, ...rest };
}

function model(versions: readonly number[], rest: Partial<SeenModel> = {}): SeenModel {
  return { id: 'alpha', versions, aliases: {}, damaged: [], ...rest };
}

const submit = (at: number, mark: number, id: string | null, status = 202): FactOf<'submit'> => ({
  ...call(at, status),
  type: 'submit',
  key: `key-${mark}`,
  mark,
  job: id,
});
const jobs = (at: number, seen: readonly SeenJob[], replica = 'one'): FactOf<'jobs'> => ({
  ...call(at, 200, replica),
  type: 'jobs',
  jobs: seen,
});
const models = (at: number, seen: readonly SeenModel[], replica = 'one'): FactOf<'models'> => ({
  ...call(at, 200, replica),
  type: 'models',
  models: seen,
});
const audit = (
  at: number,
  numbers: readonly SeenNumber[],
  aliases: FactOf<'audit'>['aliases'] = [],
): FactOf<'audit'> => ({ type: 'audit', at, until: at + 10, numbers, aliases });
const promote = (at: number, to: number, status = 200): FactOf<'promote'> => ({
  ...call(at, status),
  type: 'promote',
  model: 'alpha',
  alias: 'canary',
  version: to,
});
const remove = (at: number, number: number, status = 204, code: string | null = null): FactOf<'remove'> => ({
  ...call(at, status, 'one', code),
  type: 'remove',
  model: 'alpha',
  version: number,
});
const classify = (
  at: number,
  reference: string,
  result: FactOf<'classify'>['result'],
  answered: Call = call(at),
): FactOf<'classify'> => ({ ...answered, type: 'classify', reference, picture: 'red', result });
const follow = (
  at: number,
  after: number,
  events: FactOf<'follow'>['events'],
  rest: Partial<FactOf<'follow'>> = {},
): FactOf<'follow'> => ({ ...call(at), type: 'follow', job: 'a', after, events, isComplete: true, ...rest });
const outage = (at: number, until: number, lost: Outage['lost'], targets = ['one', 'two']): Outage => ({
  type: 'outage',
  kind: 'a fault',
  at,
  until,
  lost,
  targets,
});
const exit = (at: number, rest: Partial<FactOf<'exit'>>): FactOf<'exit'> => ({
  type: 'exit',
  at,
  until: at,
  machine: 'one',
  code: 0,
  asked: 'stopped',
  wasReady: true,
  ...rest,
});
const rest = (at: number): FactOf<'rest'> => ({ type: 'rest', at, until: at });

const QUEUED = '{"state":"queued"}';
const DONE = '{"state":"succeeded"}';
const RED = { version: 1, label: 'red', score: 0.9 };

/** Two jobs become two versions; an alias moves to the second, the first is removed; all comes to rest. */
const SOUND: readonly Fact[] = [
  submit(0, 1, 'a'),
  submit(100, 2, 'b'),
  // The answer to another was lost, and came when it was sent again.
  { ...submit(200, 3, null, 0), answer: { status: 0, code: null, flaw: 'left', gaveUp: true } },
  submit(300, 3, 'c'),
  audit(500, [version(1, 'a', { state: 'reserved' })]),
  jobs(600, [job('a', 1, 'running'), job('b', 2, 'queued'), job('c', 3, 'queued')]),
  { ...call(700), type: 'cancel', job: 'c' },
  follow(800, 0, [[1, QUEUED]], { isComplete: false }),
  follow(900, 1, [[2, DONE]], { replica: 'two' }),
  follow(950, 2, [], { answer: answer(204) }),
  audit(1_000, [version(1, 'a'), version(2, 'b')]),
  jobs(1_100, [job('a', 1, 'succeeded', 1), job('b', 2, 'succeeded', 2), job('c', 3, 'cancelled')]),
  models(1_200, [model([1, 2])]),
  classify(1_300, 'alpha@1', RED),
  promote(1_400, 1),
  audit(1_500, [version(1, 'a'), version(2, 'b')], [{ model: 'alpha', alias: 'canary', version: 1 }]),
  classify(1_600, 'alpha@canary', RED),
  promote(1_700, 2),
  remove(2_000, 2, 409, 'version_in_use'),
  remove(2_100, 1),
  // The other replica has not heard of it yet.
  models(2_200, [model([1, 2], { aliases: { canary: 1 } })], 'two'),
  audit(
    LATER,
    [version(1, 'a', { state: 'removed', key: null }), version(2, 'b')],
    [{ model: 'alpha', alias: 'canary', version: 2 }],
  ),
  classify(LATER, 'alpha@1', null, call(LATER, 404, 'one', 'model_not_found')),
  rest(LATER + 100),
  ...['one', 'two'].flatMap((replica) => [
    models(LATER + 200, [model([2], { aliases: { canary: 2 } })], replica),
    jobs(LATER + 200, [job('a', 1, 'succeeded', 1), job('b', 2, 'succeeded', 2), job('c', 3, 'cancelled')], replica),
  ]),
  audit(
    LATER + 300,
    [version(1, 'a', { state: 'removed', key: null }), version(2, 'b')],
    [{ model: 'alpha', alias: 'canary', version: 2 }],
  ),
  exit(LATER + 500, {}),
];

test('a run in which nothing is wrong breaks no rule', () => {
  expect(judge(SOUND)).toEqual([]);
});

test.each<[what: string, rule: string, detail: RegExp, facts: readonly Fact[]]>([
  ['an answer of 500', 'answer', /500 internal/, [{ ...call(1, 500, 'one', 'internal'), type: 'models', models: [] }]],
  [
    'a 503 without Retry-After',
    'answer',
    /no Retry-After/,
    [{ ...submit(1, 9, null), answer: { ...answer(503), flaw: 'it has no Retry-After' } }],
  ],
  [
    'no answer from a server that was up',
    'answer',
    /no answer/,
    [{ ...submit(1, 9, null), answer: { ...answer(0), flaw: 'ECONNRESET' } }],
  ],
  [
    'a version that is there and is not found',
    'answer',
    /404/,
    [classify(LATER, 'alpha@2', null, call(LATER, 404, 'one', 'model_not_found'))],
  ],
  [
    'a full disk told to one who only classifies',
    'answer',
    /507/,
    [classify(LATER, 'alpha@2', null, call(LATER, 507, 'one', 'storage_full'))],
  ],
  ['two jobs for one key', 'one job for a key', /key-1 was answered with a and d/, [submit(400, 1, 'd')]],
  [
    'two jobs for one submission',
    'one job for a key',
    /key-1 has the jobs a and d/,
    [jobs(700, [job('d', 1, 'running')])],
  ],
  ['a job that nobody sent', 'one job for a key', /nobody has sent x/, [jobs(700, [job('x', 77, 'running')])]],
  [
    'a job that runs again after its end',
    'ends are final',
    /a had ended as succeeded alpha@1, and is running/,
    [jobs(LATER, [job('a', 1, 'running'), job('b', 2, 'succeeded', 2), job('c', 3, 'cancelled')])],
  ],
  [
    'a job that ends otherwise elsewhere',
    'ends are final',
    /c had ended as cancelled, and is succeeded/,
    [jobs(1_050, [job('a', 1, 'succeeded', 1), job('b', 2, 'running'), job('c', 3, 'succeeded')], 'two')],
  ],
  [
    'an accepted job that is gone',
    'accepted jobs end',
    /b is gone from one/,
    [jobs(1_150, [job('a', 1, 'succeeded', 1)])],
  ],
  [
    'a job that never ends',
    'accepted jobs end',
    /d is queued at rest/,
    [submit(5_000, 4, 'd'), ...[jobs(LATER + 250, [job('d', 4, 'queued')])]],
  ],
  [
    'a job that fails for no reason',
    'failures',
    /d failed as internal/,
    [submit(5_000, 4, 'd'), jobs(5_100, [{ ...job('d', 4, 'failed'), failure: 'internal' }])],
  ],
  [
    'a gap in the events',
    'logs are whole',
    /event 3 follows 1/,
    [follow(850, 1, [[3, QUEUED]], { isComplete: false })],
  ],
  ['an event twice', 'logs are whole', /event 1 follows 1/, [follow(850, 1, [[1, QUEUED]], { isComplete: false })]],
  [
    'two events of one id',
    'logs are whole',
    /event 1 is .*running.*, but was .*queued/,
    [follow(850, 0, [[1, '{"state":"running"}']], { isComplete: false })],
  ],
  [
    'an event after the end',
    'logs are whole',
    /event 3 follows the end, which is 2/,
    [follow(2_000, 2, [[3, QUEUED]], { isComplete: false })],
  ],
  [
    'a stream that ends before the job',
    'logs are whole',
    /the stream ends after event 1/,
    [follow(850, 0, [[1, QUEUED]])],
  ],
  [
    'the end of a log that has more',
    'logs are whole',
    /nothing follows event 1/,
    [follow(960, 1, [], { answer: answer(204) })],
  ],
  [
    'a number that gets another job',
    'numbers are used once',
    /alpha@2 was of job b, and is of job d/,
    [audit(LATER + 50, [version(1, 'a', { state: 'removed', key: null }), version(2, 'd')])],
  ],
  [
    'a number that is forgotten',
    'numbers are used once',
    /alpha@1 was removed, and is forgotten/,
    [audit(LATER + 50, [version(2, 'b')])],
  ],
  [
    'a removed version in the bucket again',
    'numbers are used once',
    /alpha@1 was removed, and is present again/,
    [audit(LATER + 50, [version(1, 'a'), version(2, 'b')])],
  ],
  [
    'two versions of one job',
    'one version for a job',
    /job b has alpha@2 and alpha@3/,
    [audit(LATER + 350, [version(1, 'a', { state: 'removed', key: null }), version(2, 'b'), version(3, 'b')])],
  ],
  [
    'two jobs with one version',
    'one version for a job',
    /alpha@2 is of the jobs b and d/,
    [submit(5_000, 4, 'd'), jobs(5_100, [job('d', 4, 'succeeded', 2)])],
  ],
  [
    'a half-written version',
    'versions are whole',
    /alpha@2: manifest.json is missing/,
    [audit(1_550, [version(1, 'a'), version(2, 'b', { damage: 'manifest.json is missing' })])],
  ],
  [
    'an alias to nothing in the bucket',
    'versions are whole',
    /alpha@canary points to 1, which is not there/,
    [
      audit(
        LATER + 50,
        [version(1, 'a', { state: 'removed', key: null }), version(2, 'b')],
        [{ model: 'alpha', alias: 'canary', version: 1 }],
      ),
    ],
  ],
  [
    'a version that was acknowledged and is lost',
    'acknowledged versions',
    /alpha@2 is lost/,
    [
      audit(LATER + 50, [
        version(1, 'a', { state: 'removed', key: null }),
        version(2, 'b', { state: 'removed', key: null }),
      ]),
    ],
  ],
  [
    'a version that was removed and is there',
    'acknowledged versions',
    /alpha@1 was removed, and is there/,
    [audit(3_000, [version(1, 'a'), version(2, 'b')])],
  ],
  [
    'a version of a job that was cancelled long before',
    'cancelled jobs',
    /alpha@3 is of job c, which was cancelled/,
    [
      audit(LATER + 310, [version(1, 'a', { state: 'removed', key: null }), version(2, 'b')]),
      audit(LATER + 350, [version(1, 'a', { state: 'removed', key: null }), version(2, 'b'), version(3, 'c')]),
    ],
  ],
  [
    'a removed version that is still listed',
    'lists are true',
    /alpha@1 was removed, and is listed on one/,
    [models(LATER, [model([1, 2])])],
  ],
  [
    'a listed version that never was',
    'lists are true',
    /alpha@7 was never in the bucket/,
    [models(LATER, [model([2, 7])])],
  ],
  [
    'an alias that is listed without its version',
    'lists are true',
    /alpha@canary points to 1, which is not listed/,
    [models(1_800, [model([2], { aliases: { canary: 1 } })])],
  ],
  [
    'a version that cannot be used',
    'lists are true',
    /alpha@2 cannot be used on one/,
    [models(LATER, [model([], { damaged: ['alpha@2'] })])],
  ],
  [
    'a version that comes back on a replica',
    'removed versions',
    /alpha@1 came back on one/,
    [models(2_300, [model([2])]), models(2_400, [model([1, 2])])],
  ],
  [
    'replicas that list other models at rest',
    'replicas agree',
    /two and one list other models/,
    [models(LATER + 400, [model([2], { aliases: {} })], 'two')],
  ],
  [
    'replicas that do not list what there is',
    'replicas agree',
    /one lists ; the bucket has alpha@2/,
    [models(LATER + 400, [])],
  ],
  [
    'an alias that moves back by itself',
    'aliases',
    /alpha@canary is 1 in the bucket/,
    [
      audit(
        4_000,
        [version(1, 'a', { state: 'removed', key: null }), version(2, 'b')],
        [{ model: 'alpha', alias: 'canary', version: 1 }],
      ),
    ],
  ],
  [
    'an alias that somebody else has moved',
    'aliases',
    /alpha@canary is 2 in the bucket/,
    [audit(1_650, [version(1, 'a'), version(2, 'b')], [{ model: 'alpha', alias: 'canary', version: 2 }])],
  ],
  [
    'a replica that never hears of an alias',
    'aliases',
    /alpha@canary is 1 on two/,
    [models(LATER, [model([2], { aliases: { canary: 1 } })], 'two')],
  ],
  [
    'an alias by which another version answers',
    'aliases',
    /alpha@canary is 1 on one/,
    [classify(LATER, 'alpha@canary', RED)],
  ],
  ['another version than was asked for', 'classifications', /version 1 answers/, [classify(1_900, 'alpha@2', RED)]],
  [
    'a version that answers after its removal',
    'classifications',
    /version 1 answers, which was removed/,
    [classify(LATER, 'alpha', RED)],
  ],
  [
    'a version that answers and never was',
    'classifications',
    /version 7 answers, which was never in the bucket/,
    [classify(LATER, 'alpha', { ...RED, version: 7 })],
  ],
  [
    'another class on another replica',
    'classifications',
    /red is blue 0.9, but red 0.9 on one/,
    [classify(1_900, 'alpha@1', { ...RED, label: 'blue' }, call(1_900, 200, 'two'))],
  ],
  [
    'another score on another replica',
    'classifications',
    /red is red 0.8, but red 0.9 on one/,
    [classify(1_900, 'alpha@1', { ...RED, score: 0.8 }, call(1_900, 200, 'two'))],
  ],
  ['a process that ends by itself', 'processes stay', /one ended with 1/, [exit(3_000, { code: 1, asked: null })]],
  [
    'a process that does not end in order',
    'processes stay',
    /one ended with SIGSEGV/,
    [exit(LATER, { code: 'SIGSEGV' })],
  ],
  [
    'something that does not come back',
    'everything recovers',
    /no warnings/,
    [{ type: 'recovered', what: 'no warnings', ms: null, at: 1, until: 2 }],
  ],
  [
    'an alias that is not shown at rest',
    'aliases are shown',
    /two did not show/,
    [
      {
        type: 'shown',
        at: LATER + 150,
        until: LATER + 160,
        replica: 'two',
        model: 'alpha',
        alias: 'canary',
        version: 2,
        ms: null,
      },
    ],
  ],
])('it finds %s', (_what, rule, detail, facts) => {
  const all = [...SOUND, ...facts].sort((a, b) => a.at - b.at);
  expect(judge(all)).toContainEqual(expect.objectContaining({ rule, detail: expect.stringMatching(detail) }));
});

test.each<[what: string, facts: readonly Fact[]]>([
  [
    'no answer from a server that is killed',
    [
      { ...submit(3_000, 9, null), answer: { ...answer(0), flaw: 'ECONNRESET' } },
      outage(3_005, 5_000, 'process', ['one']),
    ],
  ],
  [
    'a replica that lists what was removed while the bucket is lost',
    [outage(1_900, LATER + 50, 's3', ['two']), models(LATER, [model([1, 2], { aliases: { canary: 1 } })], 'two')],
  ],
  [
    'a version that cannot be used while the bucket is lost',
    [outage(4_000, 5_000, 's3'), models(4_500, [model([], { damaged: ['alpha@2'] })])],
  ],
  [
    'a server that cannot start without Redis',
    [outage(3_000, 4_000, 'redis'), exit(3_500, { code: 1, asked: null, wasReady: false })],
  ],
  [
    'a change that was not acknowledged and comes late',
    [
      promote(1_450, 2, 503),
      audit(1_650, [version(1, 'a'), version(2, 'b')], [{ model: 'alpha', alias: 'canary', version: 2 }]),
    ],
  ],
  [
    'a worker that is lost three times',
    [
      submit(5_000, 4, 'd'),
      jobs(5_100, [
        job('a', 1, 'succeeded', 1),
        job('b', 2, 'succeeded', 2),
        job('c', 3, 'cancelled'),
        { ...job('d', 4, 'failed'), failure: 'worker_lost' },
      ]),
      ...['one', 'two'].map((replica) =>
        jobs(
          LATER + 150,
          [
            job('a', 1, 'succeeded', 1),
            job('b', 2, 'succeeded', 2),
            job('c', 3, 'cancelled'),
            { ...job('d', 4, 'failed'), failure: 'worker_lost' },
          ],
          replica,
        ),
      ),
    ],
  ],
])('it excuses %s', (_what, facts) => {
  // Without the lists at rest of the sound run, which know nothing of these jobs.
  const base = facts.some(({ type }) => type === 'jobs')
    ? SOUND.filter(({ type, at }) => type !== 'jobs' || at < 2_000)
    : SOUND;
  const all = [...base, ...facts].sort((a, b) => a.at - b.at);
  expect(judge(all)).toEqual([]);
});
