-- What has to be done, or seen, at one instant in one slot of a cluster. Both colours run this one text, after
-- common.lua; each run does one thing, to names of one slot.
--
-- A group is elsewhere than its entries, so no script sees both. It has a generation: the score of the empty member,
-- higher than any end. An entry notes those of its groups as they were before it was written, and whoever reads it asks
-- whether they are the same. A group that is removed, by us or by a server that needed the room, has another one when
-- it is made anew. Its other members are names of entries that may have joined it, by their ends.
--
-- While a slot is on its way to another node, nothing may be made anew under a name that a script has just removed: that
-- would belong to the other node already, and the script would end there, half done.

-- What stands at the beginning of an entry that has not ended; nil if there is none.
local function there(entry)
    local head = head_of(entry)
    return head and not has_ended(head) and head or nil
end

-- Whether an entry has noted that a group of its own had this generation.
local function has_noted(head, tag, generation)
    local words = head and head.words or {}
    for place = 1, #words, 2 do
        if words[place] == tag and words[place + 1] == generation then
            return true
        end
    end
    return false
end

-- Remove an entry; the words of its groups, false if there was none.
local function remove(entry)
    local head = there(entry)
    redis.call('UNLINK', entry)
    return head and head.packed or false
end

-- Note that an entry is going to belong to a group; the group's generation, `fresh` where it had none.
local function join(group, entry, life, fresh)
    local generation = ask('ZSCORE', group, '')
    if not generation then
        redis.call('UNLINK', group)
    end
    local left = redis.call('PTTL', group)
    if not generation then
        redis.call('ZADD', group, fresh, '')
    end
    enter(group, left, entry, life)
    return generation and whole(tonumber(generation)) or fresh
end

-- Scores of all members but the generation.
local ENDS = {{'-inf', '(2251799813685248'}, {'(4503599627370496', 'inf'}}

-- Remove a group, or begin it anew with the generation `fresh`; the one that it had, and who had joined it.
local function turn(group, fresh)
    local generation = ask('ZSCORE', group, '')
    local entries = {}
    for _, entry in ipairs(generation and redis.call('ZRANGE', group, 0, -1) or {}) do
        if entry ~= '' then
            entries[#entries + 1] = entry
        end
    end
    if fresh and generation then
        redis.call('ZADD', group, fresh, '')
        for _, range in ipairs(ENDS) do
            redis.call('ZREMRANGEBYSCORE', group, range[1], range[2])
        end
    else
        redis.call('UNLINK', group)
    end
    return {generation and whole(tonumber(generation)) or '', entries}
end

-- --- what is done ----------------------------------------------------------------------------------------------------

-- Changes, all or none of them: 'done', the words of the groups of each entry that was removed, and what was known of
-- each group that was; else why not, and which one it was.
function works.change()
    local changed = first_changed()
    if changed then
        return {'changed', changed}
    end
    local puts = {}
    for number = 1, tonumber(argument()) do
        local entry, value, life, fence = key(), argument(), tonumber(argument()), tonumber(argument())
        if fence > 0 and is_overtaken(there(entry), key(), fence) then
            return {'overtaken', number}
        end
        puts[number] = {entry = entry, value = value, life = life}
    end
    local removed, groups = {}, {}
    for number = 1, tonumber(argument()) do
        local group, tag, fresh = key(), argument(), argument()
        groups[number] = turn(group, fresh ~= '' and fresh)
        groups[number].tag = tag
    end
    for _ = 1, tonumber(argument()) do
        removed[#removed + 1] = remove(key()) or nil
    end
    for _, each in ipairs(puts) do
        local head = there(each.entry)
        for _, group in ipairs(groups) do
            if has_noted(head, group.tag, group[1]) then
                removed[#removed + 1] = head.packed
                break
            end
        end
        if each.value == '' then
            redis.call('UNLINK', each.entry)
        else
            put(each.entry, each.value, each.life)
        end
    end
    for _ = 1, tonumber(argument()) do
        join(key(), argument(), tonumber(argument()), argument())
    end
    return {'done', removed, groups}
end

function works.remove()
    return remove(key())
end

-- Removes an entry that joined a group when that had this generation; the words of its groups.
function works.drop()
    local entry, tag, generation = key(), argument(), argument()
    return has_noted(there(entry), tag, generation) and remove(entry)
end

function works.join()
    return join(key(), argument(), tonumber(argument()), argument())
end

function works.turn()
    return turn(key())
end

-- Adds to a counter; its new number as text. Of one that has groups it says so, with their words: whether it is alive is
-- seen elsewhere. Then `known` are those words, and `is_alive` is empty if it is not.
function works.add()
    local entry, by, fresh, life = key(), argument(), argument(), tonumber(argument())
    local known, is_alive = argument(), argument()
    local head = there(entry)
    if head and head.packed ~= '' then
        if head.packed ~= known then
            return {'has groups', head.packed}
        end
        head = is_alive ~= '' and head or nil
    end
    if head and head.kind ~= COUNTER then
        return {'no counter'}
    end
    local digits = add_to(entry, head, by, fresh, life)
    return digits and {'done', digits} or {'out of range'}
end

-- Takes a lease; its fence, nothing if somebody else holds it. What is known of the last one is kept for a while.
function works.acquire()
    local lease, owner, ttl = key(), argument(), tonumber(argument())
    local held_by = holder(lease)
    if held_by and held_by ~= owner then
        return false
    end
    local fence = next_fence((ask('HMGET', lease, 'fence') or {})[1])
    hold(lease, owner, fence, ttl)
    return fence
end

function works.release()
    local lease, owner = key(), argument()
    if holder(lease) ~= owner then
        return 0
    end
    redis.call('PEXPIRE', lease, REST)
    return redis.call('HDEL', lease, 'owner')
end

-- How many bytes an entry has, and the words of its groups; nothing if there is none.
function works.weigh()
    local entry = key()
    local head = there(entry)
    return head and {redis.call('STRLEN', entry), head.packed} or false
end

return works[work]()
