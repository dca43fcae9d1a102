import { RECORD_FUNCTIONS } from './record-functions.ts';

/**
 * Changes of jobs, each one script, so that it happens wholly or not at all. The arguments of each are those of the
 * method of the same name in `redis-job-records.ts`.
 */
export const RECORD_SCRIPTS = {
  /** limits */
  configure: `redis.call('HSET', key('limits'), unpack(ARGV))`,

  /** Takes a place in the queue, unless the key of the request has one. Returns what it found, and the id. */
  reserve: `
local limit, ownerLimit, random, hasArchive, owner, name, fingerprint, leaseMs = unpack(ARGV)
local at = now()
local earlier = name ~= '' and redis.call('HGET', key('keys'), nameOf(owner, name))
if earlier then
  local state, made = unpack(redis.call('HMGET', record(earlier), 'state', 'fingerprint'))
  local seen = redis.call('ZSCORE', key('waiting'), earlier)
  if not state and not (seen and tonumber(seen) > at - leaseMs) then
    forget(earlier)
  elseif made ~= fingerprint then
    return { 'reused', earlier }
  elseif state then
    redis.call('HSET', record(earlier), 'told', 1)
    return { 'made', earlier }
  else
    return { 'pending', earlier }
  end
end
local waiting = redis.call('ZRANGE', key('waiting'), 0, -1)
if #waiting >= tonumber(limit) then return { 'full', '' } end
if owner ~= '' then
  local own = 0
  for _, each in ipairs(waiting) do
    if redis.call('HGET', record(each), 'owner') == owner then own = own + 1 end
  end
  if own >= tonumber(ownerLimit) then return { 'owner full', '' } end
end
local newest = math.max(at, (tonumber(redis.call('GET', key('newest'))) or 0) + 1)
redis.call('SET', key('newest'), string.format('%.0f', newest))
local id = string.format('%012x-%s', newest, random)
redis.call('HSET', record(id), 'archive', hasArchive)
if owner ~= '' then redis.call('HSET', record(id), 'owner', owner) end
if name ~= '' then
  redis.call('HSET', record(id), 'key', name, 'fingerprint', fingerprint)
  redis.call('HSET', key('keys'), nameOf(owner, name), id)
end
redis.call('ZADD', key('waiting'), at, id)
if hasArchive == '1' then redis.call('SADD', key('archives'), id) end
return { 'reserved', id }`,

  /** Frees places that were asked for under these random names, as far as there is no job yet. */
  freeUnanswered: `
local isUnanswered = {}
for _, random in ipairs(ARGV) do isUnanswered[random] = true end
for _, id in ipairs(redis.call('ZRANGE', key('waiting'), 0, -1)) do
  if isUnanswered[string.sub(id, 14)] and not redis.call('HGET', record(id), 'state') then
    forget(id)
    publish(id, 'state')
  end
end`,

  /** A sign of life of who holds a place. */
  renew: `return redis.call('ZADD', key('waiting'), 'XX', now(), ARGV[1])`,

  /** Nil when the place was given away meanwhile. */
  create: `
local id, payload, priority = unpack(ARGV)
if not redis.call('ZSCORE', key('waiting'), id) then return false end
local at = now()
local owner = priority .. ' ' .. (redis.call('HGET', record(id), 'owner') or '')
local current, own = unpack(redis.call('HMGET', key('turns'), priority, owner))
local turn = math.max(tonumber(current or 0), tonumber(own or 0))
redis.call('HSET', key('turns'), owner, turn + 1)
redis.call('HSET', record(id), 'state', 'queued', 'payload', payload, 'attempts', 0, 'kept', 0, 'cancel', 0, 'createdAt', at,
  'priority', priority, 'turn', turn)
redis.call('ZADD', key('records'), tonumber(string.sub(id, 1, 12), 16), id)
redis.call('RPUSH', key('unfinished'), id)
logState(id, at)
return redis.call('HGETALL', record(id))`,

  /**
   * Undoes `reserve`, and `create` where no worker has the job and nobody else was told of it. Returns whether there is
   * no job now.
   */
  withdraw: `
local id = ARGV[1]
local state, told = unpack(redis.call('HMGET', record(id), 'state', 'told'))
if state and (state ~= 'queued' or told) then return 0 end
forget(id)
publish(id, 'state')
return 1`,

  /** Nil when the job has ended; an empty table when the lock has run out meanwhile. */
  claim: `
local id, token, lockKey = unpack(ARGV)
if redis.call('GET', lockKey) ~= token then return {} end
local state = redis.call('HGET', record(id), 'state')
if not state then return false end
local at = now()
if state == 'running' then state = lose(id, at, 'it fell silent') end
if isFinished(state) then return false end
local priority, turn = unpack(redis.call('HMGET', record(id), 'priority', 'turn'))
if tonumber(turn or 0) > tonumber(redis.call('HGET', key('turns'), priority or 'normal') or 0) then
  redis.call('HSET', key('turns'), priority, turn)
end
redis.call('HSET', record(id), 'state', 'running', 'token', token, 'startedAt', at, 'advanced', 0)
redis.call('HDEL', record(id), 'report')
redis.call('HINCRBY', record(id), 'attempts', 1)
redis.call('ZREM', key('waiting'), id)
logState(id, at)
return redis.call('HGETALL', record(id))`,

  /** A worker that did not hear the answer may say it again, under the same number. */
  progress: `
local id, token, number, progress, kept = unpack(ARGV)
local holder, cancel, most, last = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'kept', 'report'))
if holder ~= token then return 'lost' end
if progress ~= '' and number ~= last then
  if tonumber(kept) > tonumber(most) then
    most = kept
    redis.call('HSET', record(id), 'advanced', 1)
  end
  redis.call('HSET', record(id), 'progress', progress, 'kept', most, 'report', number)
  append(id, now(), 'progress', 'progress', progress, 'kept', most)
end
return cancel == '1' and 'cancel' or 'held'`,

  /** Ends a job. A worker that did not hear the answer may say it again. */
  finish: `
local id, token, state, field, value = unpack(ARGV)
local holder, cancel, endedBy = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'endedBy'))
if endedBy == token then return 'ended' end
if holder ~= token then return 'lost' end
if state == 'cancelled' and cancel ~= '1' then return 'uncalled' end
redis.call('HSET', record(id), 'endedBy', token)
if state == 'failed' and cancel == '1' then
  finish(id, now(), 'cancelled')
elseif field == '' then
  finish(id, now(), state)
else
  finish(id, now(), state, field, value)
end
return 'ended'`,

  abandon: `
local id, token, reason = unpack(ARGV)
if redis.call('HGET', record(id), 'token') ~= token then return 'lost' end
return lose(id, now(), reason)`,

  /** Queues a job again without counting an attempt. */
  giveBack: `
local id, token = unpack(ARGV)
local holder, cancel, attempts = unpack(redis.call('HMGET', record(id), 'token', 'cancel', 'attempts'))
if holder ~= token then return 'lost' end
if cancel == '1' then
  finish(id, now(), 'cancelled')
  return 'cancelled'
end
requeue(id, now(), attempts - 1)
return 'queued'`,

  /** A job whose lock is gone, unless another worker has it already. */
  stalled: `
local id, lockKey = unpack(ARGV)
if redis.call('EXISTS', lockKey) == 1 then return '' end
if redis.call('HGET', record(id), 'state') ~= 'running' then return '' end
return lose(id, now(), 'it fell silent')`,

  requestCancel: `
local id = ARGV[1]
local state, cancel = unpack(redis.call('HMGET', record(id), 'state', 'cancel'))
if state == 'queued' then
  finish(id, now(), 'cancelled')
  return 'done'
end
if state == 'running' and cancel ~= '1' then
  redis.call('HSET', record(id), 'cancel', 1)
  publish(id, 'cancel')
end
return state`,

  /** Ends a job whose worker was asked to cancel it and has not answered. */
  endCancelled: `
local id = ARGV[1]
local state, cancel = unpack(redis.call('HMGET', record(id), 'state', 'cancel'))
if cancel == '1' and not isFinished(state) then finish(id, now(), 'cancelled') end`,

  claimState: `
return redis.call('HMGET', record(ARGV[1]), 'token', 'cancel')`,

  get: `
if not redis.call('HGET', record(ARGV[1]), 'state') then return {} end
return redis.call('HGETALL', record(ARGV[1]))`,

  list: `
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', key('records'), 0, -1)) do
  found[#found + 1] = { id, redis.call('HGETALL', record(id)) }
end
return found`,

  /** All events when the given id was never given out. */
  events: `
local id, after = unpack(ARGV)
local state, last = unpack(redis.call('HMGET', record(id), 'state', 'lastEvent'))
if not state then return false end
if tonumber(after) > tonumber(last) then after = 0 end
return { state, last, redis.call('XRANGE', prefix .. ':events:' .. id, '(' .. after .. '-0', '+') }`,

  /** Also makes the list anew, should it not be so: a release that did not have it may have made jobs. */
  unfinished: `
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', key('records'), 0, -1)) do
  if not redis.call('ZSCORE', key('finished'), id) then ids[#ids + 1] = id end
end
if table.concat(redis.call('LRANGE', key('unfinished'), 0, -1), ' ') ~= table.concat(ids, ' ') then
  redis.call('DEL', key('unfinished'))
  for _, id in ipairs(ids) do redis.call('RPUSH', key('unfinished'), id) end
end
return ids`,

  /** Frees places whose holder died before its job was made. Returns ids whose archives nobody needs. */
  leftovers: `
local before = now() - ARGV[1]
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('waiting'), 0, before)) do
  if not redis.call('HGET', record(id), 'state') then forget(id) end
end
local ids = {}
for _, id in ipairs(redis.call('SMEMBERS', key('archives'))) do
  local state = redis.call('HGET', record(id), 'state')
  if state and isFinished(state) or not state and not redis.call('ZSCORE', key('waiting'), id) then
    ids[#ids + 1] = id
  end
end
return ids`,

  archiveRemoved: `return redis.call('SREM', key('archives'), ARGV[1])`,
} as const;

export type RecordScript = keyof typeof RECORD_SCRIPTS;

/** The whole text of a script. */
export function scriptText(name: RecordScript): string {
  return RECORD_FUNCTIONS + RECORD_SCRIPTS[name];
}
