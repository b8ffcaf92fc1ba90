-- What has to be done, or seen, at one instant. Both colours run this one text; each run does one thing.
--
-- ARGV: what to do; how our keys start; the wall clock and the steady clock of whoever asks, each empty where the
-- server's own time holds; then what the work takes, in its order. KEYS likewise, as far as they are known beforehand:
-- which entries have a tag only the server knows.

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

local ENTRY, COUNTER, HEAD = 'rse\1', 'rsc\1', 24

local function tag_key(tag)
    return space .. ':t{:' .. tag .. '}'
end

-- What stands at the beginning of an entry; nil if there is none.
local function head_of(entry)
    local head = ask('GETRANGE', entry, 0, HEAD - 1) or ''
    local kind = head:sub(1, 4)
    if #head < HEAD or (kind ~= ENTRY and kind ~= COUNTER) then
        return nil
    end
    local ends, fence, size = struct.unpack('<ddI4', head, 5)
    local tags, at = {}, 1
    local packed = size > 0 and ask('GETRANGE', entry, HEAD, HEAD + size - 1) or ''
    while at <= #packed do
        local length = packed:byte(at)
        tags[#tags + 1] = packed:sub(at + 1, at + length)
        at = at + 1 + length
    end
    return {kind = kind, ends = ends, fence = fence, tags = tags, size = size}
end

-- Whether an entry may still be given back. One whose group does not know it any more may not: the group was removed,
-- by us or by a server that needed the room.
local function is_alive(entry, head)
    if not head or (wall and head.ends <= wall) then
        return false
    end
    for _, tag in ipairs(head.tags) do
        if not ask('ZSCORE', tag_key(tag), entry) then
            return false
        end
    end
    return true
end

local function has_tag(head, tag)
    for _, each in ipairs(head and head.tags or {}) do
        if each == tag then
            return true
        end
    end
    return false
end

-- Remove an entry; 1 if it was alive, else 0.
local function remove(entry)
    local head = head_of(entry)
    local count = is_alive(entry, head) and 1 or 0
    for _, tag in ipairs(head and head.tags or {}) do
        redis.pcall('ZREM', tag_key(tag), entry)
    end
    redis.call('UNLINK', entry)
    return count
end

-- Remove all entries that have a tag; how many were alive.
local function remove_group(group, tag)
    local count = 0
    for _, entry in ipairs(ask('ZRANGE', group, 0, -1) or {}) do
        if has_tag(head_of(entry), tag) then
            count = count + remove(entry)
        end
    end
    redis.call('UNLINK', group)
    return count
end

-- Note that an entry that lives for `life` milliseconds, or for ever, belongs to a group; forget those that have ended.
local function join(group, entry, life)
    if not ask('ZCARD', group) then
        redis.call('UNLINK', group)
    end
    local at, left = time(), redis.call('PTTL', group)
    redis.call('ZREMRANGEBYSCORE', group, '-inf', whole(at - 1))
    redis.call('ZADD', group, life and string.format('%.3f', at + life / 1000 + 1) or 'inf', entry)
    if not life then
        redis.call('PERSIST', group)
    elseif left == -2 or (left >= 0 and left < life + 1000) then
        redis.call('PEXPIRE', group, whole(life + 1000))
    end
end

local function put(entry, value, life)
    if life then
        redis.call('SET', entry, value, 'PX', whole(life))
    else
        redis.call('SET', entry, value)
    end
end

-- --- leases ----------------------------------------------------------------------------------------------------------

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
    redis.call('UNLINK', lease)
    redis.call('HSET', lease, 'owner', owner, 'fence', whole(fence), 'ttl', ttl,
        'ends', string.format('%.6f', time() + ttl))
    redis.call('PEXPIRE', lease, whole(ttl * 1000 + 60000))
end

-- Higher than any before, also where the server has lost the last one: then the time is.
local function next_fence(last_key)
    local last = tonumber(ask('GET', last_key) or nil) or 0
    local fence = math.max(last + 1, math.floor(time() * 1000000))
    redis.call('SET', last_key, whole(fence))
    return fence
end

local function is_overtaken(entry, lease, fence)
    local _, held = holder(lease)
    if fence < held then
        return true
    end
    local head = head_of(entry)
    return head ~= nil and fence < head.fence and is_alive(entry, head)
end

-- --- what is done ----------------------------------------------------------------------------------------------------

local works = {}

-- Changes, all or none of them: 'done' and how many entries were removed; else why not, and which one it was.
function works.change()
    for number = 1, tonumber(argument()) do
        local value, digest = ask('GET', key()), argument()
        if (value and redis.sha1hex(value) or '') ~= digest then
            return {'changed', number}
        end
    end
    local puts = {}
    for number = 1, tonumber(argument()) do
        local entry, lease = key(), key()
        local value, life, fence = argument(), tonumber(argument()), tonumber(argument())
        local groups = {}
        for each = 1, tonumber(argument()) do
            groups[each] = key()
        end
        if fence > 0 and is_overtaken(entry, lease, fence) then
            return {'overtaken', number}
        end
        puts[number] = {entry = entry, value = value, life = life, groups = groups}
    end
    local count = 0
    for _ = 1, tonumber(argument()) do
        count = count + remove_group(key(), argument())
    end
    for _ = 1, tonumber(argument()) do
        count = count + remove(key())
    end
    for _, each in ipairs(puts) do
        -- A server without room refuses a script's first write only, so that must be the one that takes room.
        if each.value == '' or head_of(each.entry) then
            remove(each.entry)
        end
        if each.value ~= '' then
            put(each.entry, each.value, each.life)
            for _, group in ipairs(each.groups) do
                join(group, each.entry, each.life)
            end
        end
    end
    return {'done', count}
end

-- Adds to a counter; its new number as text, since Lua counts by floating point and Redis does not.
function works.add()
    local entry, scratch = key(), key()
    local by, fresh, life = argument(), argument(), tonumber(argument())
    local head = head_of(entry)
    local is_new = not is_alive(entry, head)
    if not is_new and head.kind ~= COUNTER then
        return {'no counter'}
    end
    local value = is_new and fresh or redis.call('GET', entry)
    local at = HEAD + (is_new and 0 or head.size) + 1
    local length = value:byte(at) or 0
    redis.call('SET', scratch, value:sub(at + 1, at + length))
    local sum = redis.pcall('INCRBY', scratch, by)
    local digits = redis.call('GET', scratch)
    redis.call('DEL', scratch)
    if type(sum) == 'table' then
        return {'out of range'}
    end
    value = value:sub(1, at - 1) .. string.char(#digits) .. digits .. value:sub(at + 1 + length)
    if is_new then
        if head then
            remove(entry)
        end
        put(entry, value, life)
    else
        redis.call('SET', entry, value, 'KEEPTTL')
    end
    return {'done', digits}
end

-- Takes a lease; its fence, nothing if somebody else holds it.
function works.acquire()
    local lease, last, owner, ttl = key(), key(), argument(), tonumber(argument())
    local held_by = holder(lease)
    if held_by and held_by ~= owner then
        return nil
    end
    local fence = next_fence(last)
    hold(lease, owner, fence, ttl)
    return fence
end

function works.renew()
    local lease, owner, ttl = key(), argument(), tonumber(argument())
    local held_by, fence = holder(lease)
    if held_by ~= owner then
        return 0
    end
    hold(lease, owner, fence, ttl)
    return 1
end

function works.release()
    local lease, owner = key(), argument()
    if holder(lease) ~= owner then
        return 0
    end
    return redis.call('UNLINK', lease)
end

-- How many bytes each entry has; 0 for one that may not be given back.
function works.weigh()
    local sizes = {}
    for number = 1, #KEYS do
        local entry = key()
        sizes[number] = is_alive(entry, head_of(entry)) and redis.call('STRLEN', entry) or 0
    end
    return sizes
end

-- Removes an entry that turned out to be damaged, unless it was replaced meanwhile.
function works.mend()
    local entry, digest = key(), argument()
    local value = ask('GET', entry)
    return value and redis.sha1hex(value) == digest and redis.call('UNLINK', entry) or 0
end

return works[work]()
