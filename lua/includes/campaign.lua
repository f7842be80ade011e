-- campaign: the units that buyers hold or own over all drops of a campaign with a limit, in one hash
-- of the partition. A drop of such a campaign has `campaign`, as `id|limit`.
-- Raises, before any write, on a malformed text.

-- What these buyers have now; nil for a drop without such a limit.
local function read_campaign(drop, key, buyers)
  if not drop.campaign then
    return nil
  end
  local id, limit = string.match(drop.campaign, '^(%w+)|(%d+)$')
  if not id then
    error('CAMPAIGN cannot be right: ' .. drop.campaign)
  end
  local fields, units = {}, {}
  for i = 1, #buyers do
    fields[i] = id .. '|' .. buyers[i]
  end
  local found = redis.call('HMGET', key, unpack(fields))
  for i = 1, #buyers do
    local text = found[i] or '0'
    if not string.match(text, '^%d+$') then
      error('CAMPAIGN units of ' .. fields[i] .. ' cannot be right: ' .. text)
    end
    units[buyers[i]] = tonumber(text)
  end
  return {id = id, limit = tonumber(limit), units = units, moved = {}}
end

-- Units that a buyer gets, or gives back; nothing is written yet.
local function move_campaign(campaign, buyer, units)
  if campaign then
    local after = campaign.units[buyer] + units
    if after < 0 then
      error('CAMPAIGN units of ' .. buyer .. ' cannot be right: ' .. campaign.units[buyer])
    end
    campaign.units[buyer], campaign.moved[buyer] = after, true
  end
end

local function write_campaign(campaign, key)
  local fields = {}
  for buyer in pairs(campaign and campaign.moved or {}) do
    local n = #fields
    fields[n + 1], fields[n + 2] = campaign.id .. '|' .. buyer, campaign.units[buyer]
  end
  if #fields > 0 then
    redis.call('HSET', key, unpack(fields))
  end
end
