/**
 * What the scripts of `record-scripts.ts` have in common. KEYS[1] is the prefix, in braces so that all keys are on one
 * node of a cluster:
 *
 * - `record:<id>`: a hash, the job. Without a `state` it is only a place, for a job that is being enqueued. Texts of JSON
 *   are opaque here, since Lua's numbers and empty lists are not JSON's.
 * - `events:<id>`: a stream, the job's log. The id of event 7 is `7-0`.
 * - `records`, `waiting`, `finished`: sorted sets of ids, by creation, by the last sign of life, and by the end. `waiting`
 *   has places too, which their holder renews.
 * - `unfinished`: a list of the ids of jobs that are queued or running. Scalers of workers, such as KEDA's, read its length.
 * - `keys`: a hash, ids of jobs and places by the owner and the idempotency key of their request.
 * - `turns`: a hash, by priority the turn that is being worked on, and by priority and owner the one after the owner's last;
 *   see `job-turns.ts`.
 * - `archives`: a set, ids that may have an archive.
 * - `newest`: the time in the newest id.
 *
 * Messages on the channel `changed` are the id of the job and what changed: `state`, `cancel` or `progress`.
 * Times are Redis's, in milliseconds since 1970, so that clocks of other machines do not matter.
 */
export const RECORD_FUNCTIONS = `
local prefix = KEYS[1]
local function key(name) return prefix .. ':' .. name end
local function record(id) return prefix .. ':record:' .. id end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function publish(id, what) redis.call('PUBLISH', key('changed'), id .. ' ' .. what) end
local function append(id, at, what, ...)
  local number = redis.call('HINCRBY', record(id), 'lastEvent', 1)
  local limit = redis.call('HGET', key('limits'), 'maxEvents')
  redis.call('XADD', prefix .. ':events:' .. id, 'MAXLEN', limit, number .. '-0', 'at', at, 'type', what, ...)
  publish(id, what)
end
local function logState(id, at)
  local state, failure = unpack(redis.call('HMGET', record(id), 'state', 'failure'))
  append(id, at, 'state', 'state', state, 'failure', failure or 'null')
end
local function isFinished(state) return state ~= 'queued' and state ~= 'running' end
local function leave(id)
  redis.call('LREM', key('unfinished'), 0, id)
  -- Turns begin anew when nobody waits for anybody.
  if redis.call('LLEN', key('unfinished')) == 0 then redis.call('DEL', key('turns')) end
end
local function nameOf(owner, name) return #owner .. ' ' .. owner .. name end
local function forget(id)
  local owner, name = unpack(redis.call('HMGET', record(id), 'owner', 'key'))
  if name then redis.call('HDEL', key('keys'), nameOf(owner or '', name)) end
  redis.call('UNLINK', record(id), prefix .. ':events:' .. id)
  for _, set in ipairs({ 'records', 'waiting', 'finished' }) do redis.call('ZREM', key(set), id) end
  leave(id)
end
local function finish(id, at, state, field, value)
  redis.call('HSET', record(id), 'state', state, 'finishedAt', at)
  if field then redis.call('HSET', record(id), field, value) end
  redis.call('HDEL', record(id), 'token')
  redis.call('ZREM', key('waiting'), id)
  leave(id)
  redis.call('ZADD', key('finished'), at, id)
  logState(id, at)
  local over = redis.call('ZCARD', key('finished')) - redis.call('HGET', key('limits'), 'keepFinished')
  if over <= 0 then return end
  for _, old in ipairs(redis.call('ZRANGE', key('finished'), 0, over - 1)) do forget(old) end
end
local function requeue(id, at, attempts)
  redis.call('HSET', record(id), 'state', 'queued', 'attempts', attempts)
  redis.call('HDEL', record(id), 'token')
  redis.call('ZADD', key('waiting'), at, id)
  logState(id, at)
end
local function lose(id, at, reason)
  local cancel, attempts, advanced = unpack(redis.call('HMGET', record(id), 'cancel', 'attempts', 'advanced'))
  if cancel == '1' then
    finish(id, at, 'cancelled')
    return 'cancelled'
  end
  if tonumber(attempts) >= tonumber(redis.call('HGET', key('limits'), 'maxAttempts')) and advanced ~= '1' then
    local message = 'the worker was lost ' .. attempts .. ' times without getting further, the last time because '
    finish(id, at, 'failed', 'failure', cjson.encode({ code = 'worker_lost', message = message .. reason }))
    return 'failed'
  end
  requeue(id, at, advanced == '1' and 0 or attempts)
  return 'queued'
end
`;
