-- What has to be done, or seen, at one instant on a server. Both colours run this one text, after common.lua; each run
-- does one thing. KEYS are those that are known beforehand: which entries have a tag only the server knows.

local function tag_key(tag)
    local starts = tag:find('{', 1, true)
    local ends = starts and tag:find('}', starts + 1, true)
    if ends and ends > starts + 1 then
        return space .. ':t::' .. tag
    end
    return space .. ':t{:' .. tag .. '}'
end

-- Whether an entry may still be given back. One whose group does not know it any more may not: the group was removed,
-- by us or by a server that needed the room.
local function is_alive(entry, head)
    if not head or has_ended(head) then
        return false
    end
    for _, tag in ipairs(head.words) do
        if not ask('ZSCORE', tag_key(tag), entry) then
            return false
        end
    end
    return true
end

local function has_tag(head, tag)
    for _, each in ipairs(head and head.words or {}) do
        if each == tag then
            return true
        end
    end
    return false
end

local function leave_groups(entry, head)
    for _, tag in ipairs(head and head.words or {}) do
        redis.pcall('ZREM', tag_key(tag), entry)
    end
end

-- Remove an entry; 1 if it was alive, else 0.
local function remove(entry)
    local head = head_of(entry)
    local count = is_alive(entry, head) and 1 or 0
    leave_groups(entry, head)
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

local function join(group, entry, life)
    if not ask('ZCARD', group) then
        redis.call('UNLINK', group)
    end
    enter(group, redis.call('PTTL', group), entry, life)
end

-- --- what is done ----------------------------------------------------------------------------------------------------

-- Changes, all or none of them: 'done' and how many entries were removed; else why not, and which one it was.
function works.change()
    local changed = first_changed()
    if changed then
        return {'changed', changed}
    end
    local puts = {}
    for number = 1, tonumber(argument()) do
        local entry, lease = key(), key()
        local value, life, fence = argument(), tonumber(argument()), tonumber(argument())
        local groups = {}
        for each = 1, tonumber(argument()) do
            groups[each] = key()
        end
        if fence > 0 then
            local head = head_of(entry)
            if is_overtaken(is_alive(entry, head) and head, lease, fence) then
                return {'overtaken', number}
            end
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

-- Adds to a counter; its new number as text.
function works.add()
    local entry, by, fresh, life = key(), argument(), argument(), tonumber(argument())
    local head = head_of(entry)
    local is_new = not is_alive(entry, head)
    if not is_new and head.kind ~= COUNTER then
        return {'no counter'}
    end
    local digits = add_to(entry, not is_new and head, by, fresh, life)
    if is_new then
        leave_groups(entry, head)
    end
    return digits and {'done', digits} or {'out of range'}
end

-- Takes a lease; its fence, nothing if somebody else holds it.
function works.acquire()
    local lease, last, owner, ttl = key(), key(), argument(), tonumber(argument())
    local held_by = holder(lease)
    if held_by and held_by ~= owner then
        return nil
    end
    local fence = next_fence(ask('GET', last))
    redis.call('SET', last, whole(fence))
    hold(lease, owner, fence, ttl)
    return fence
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

return works[work]()
