-- What the scripts for a server and for a cluster have in common. A text for either begins with this one.
--
-- ARGV: what to do; how our keys start; the wall clock and the steady clock of whoever asks, each empty where the
-- server's own time holds; then what the work takes, in its order. KEYS likewise.

local work, space, wall, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local next_key, next_argument = 0, 4

local function key()
    next_key = next_key + 1
    return KEYS[next_key]
end

local function argument()
    next_argument = next_argument + 1
    return ARGV[next_argument]
end

local function time()
    if now then
        return now
    end
    local t = redis.call('TIME')
    return tonumber(t[1]) + tonumber(t[2]) / 1000000
end

local function whole(number)
    return string.format('%.0f', number)
end

-- What a command finds; what is of another type than ours is as good as not there.
local function ask(...)
    local reply = redis.pcall(...)
    if type(reply) == 'table' and reply.err then
        if reply.err:find('WRONGTYPE', 1, true) then
            return false
        end
        return redis.call(...)
    end
    return reply
end

-- --- entries: see values.py for their form ---------------------------------------------------------------------------

local ENTRY, COUNTER, HEAD = 'rse' .. VERSION, 'rsc' .. VERSION, 24

-- What stands at the beginning of an entry; nil if there is none.
local function head_of(entry)
    local head = ask('GETRANGE', entry, 0, HEAD - 1) or ''
    local kind = head:sub(1, 4)
    if #head < HEAD or (kind ~= ENTRY and kind ~= COUNTER) then
        return nil
    end
    local ends, fence, size = struct.unpack('<ddI4', head, 5)
    local words, at = {}, 1
    local packed = size > 0 and ask('GETRANGE', entry, HEAD, HEAD + size - 1) or ''
    while at <= #packed do
        local length = packed:byte(at)
        words[#words + 1] = packed:sub(at + 1, at + length)
        at = at + 1 + length
    end
    return {kind = kind, ends = ends, fence = fence, words = words, packed = packed}
end

local function has_ended(head)
    return wall and head.ends <= wall
end

local function put(entry, value, life)
    if life then
        redis.call('SET', entry, value, 'PX', whole(life))
    else
        redis.call('SET', entry, value)
    end
end

-- Which of the entries that are asked for next is not what is expected; nil if all are.
local function first_changed()
    for number = 1, tonumber(argument()) do
        local value, digest = ask('GET', key()), argument()
        if (value and redis.sha1hex(value) or '') ~= digest then
            return number
        end
    end
    return nil
end

-- Adds to the counter with that head, or to a fresh one; its new number as text, nil if it is out of range.
local function add_to(entry, head, by, fresh, life)
    local value = head and redis.call('GET', entry) or fresh
    local at = HEAD + (head and #head.packed or 0) + 1
    local length = value:byte(at) or 0
    -- Lua counts by floating point and Redis does not, so for a moment the number stands there alone.
    if head then
        redis.call('SET', entry, value:sub(at + 1, at + length), 'KEEPTTL')
    else
        put(entry, value:sub(at + 1, at + length), life)
    end
    local sum = redis.pcall('INCRBY', entry, by)
    if type(sum) == 'table' then
        if head then
            redis.call('SET', entry, value, 'KEEPTTL')
        else
            redis.call('DEL', entry)
        end
        return nil
    end
    local digits = redis.call('GET', entry)
    value = value:sub(1, at - 1) .. string.char(#digits) .. digits .. value:sub(at + 1 + length)
    redis.call('SET', entry, value, 'KEEPTTL')
    return digits
end

-- Note that an entry that lives for `life` milliseconds, or for ever, belongs to a group that has `left` of them, as
-- PTTL says; forget those that have ended.
local function enter(group, left, entry, life)
    local at = time()
    redis.call('ZREMRANGEBYSCORE', group, '-inf', whole(at - 1))
    redis.call('ZADD', group, life and string.format('%.3f', at + life / 1000 + 1) or 'inf', entry)
    if not life then
        redis.call('PERSIST', group)
    elseif left == -2 or (left >= 0 and left < life + 1000) then
        redis.call('PEXPIRE', group, whole(life + 1000))
    end
end

-- --- leases ----------------------------------------------------------------------------------------------------------

-- Milliseconds that what is known of a lease is kept after its end.
local REST = 60000

-- Who holds a lease, and its fence; nothing if nobody does. One whose end lies further ahead than it was meant to was
-- taken before the clock was set back.
local function holder(lease)
    local held = ask('HMGET', lease, 'owner', 'fence', 'ttl', 'ends') or {}
    local fence, ttl, ends = tonumber(held[2] or nil), tonumber(held[3] or nil), tonumber(held[4] or nil)
    if not (held[1] and fence and ttl and ends) then
        return nil, 0
    end
    local left = ends - time()
    if left <= 0 or left > ttl + 0.001 then
        return nil, 0
    end
    return held[1], fence
end

local function hold(lease, owner, fence, ttl)
    local function note()
        return redis.pcall('HSET', lease, 'owner', owner, 'fence', whole(fence), 'ttl', ttl,
            'ends', string.format('%.6f', time() + ttl))
    end
    local reply = note()
    if type(reply) == 'table' and reply.err then
        if not reply.err:find('WRONGTYPE', 1, true) then
            error(reply)
        end
        redis.call('UNLINK', lease)
        note()
    end
    redis.call('PEXPIRE', lease, whole(ttl * 1000 + REST))
end

-- Higher than `last`, and than any where the server has lost the last one: then the time is.
local function next_fence(last)
    return math.max((tonumber(last or nil) or 0) + 1, math.floor(time() * 1000000))
end

-- Whether somebody else has taken over: `head` is that of the entry that is alive, if one is.
local function is_overtaken(head, lease, fence)
    local _, held = holder(lease)
    return fence < held or (head and fence < head.fence)
end

-- --- what both do ----------------------------------------------------------------------------------------------------

local works = {}

function works.renew()
    local lease, owner, ttl = key(), argument(), tonumber(argument())
    local held_by, fence = holder(lease)
    if held_by ~= owner then
        return 0
    end
    hold(lease, owner, fence, ttl)
    return 1
end

-- Removes an entry that turned out to be damaged, unless it was replaced meanwhile.
function works.mend()
    local entry, digest = key(), argument()
    local value = ask('GET', entry)
    return value and redis.sha1hex(value) == digest and redis.call('UNLINK', entry) or 0
end
