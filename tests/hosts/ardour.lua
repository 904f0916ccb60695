-- Ardour without a window: each VST3 class on a track of its width, in a session with the dummy sound card. `cargo xtask hosts` runs it.
-- Ends with a line that begins with PASS, or with none.

local folder = assert(os.getenv("SPHERESCOPE_SESSION"), "expected SPHERESCOPE_SESSION, the folder of a new session")

AudioEngine:set_backend("None (Dummy)", "", "")
local session = assert(create_session(folder, "shown", 48000))
local widths = {4, 6, 7, 8, 9, 12, 15, 16, 19, 25, 32, 36, 49, 63, 2}
for _, width in ipairs(widths) do
  local name = string.format("Spherescope %02dch", width)
  local tracks = session:new_audio_track(width, width, nil, 1, name, ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
  for track in tracks:iter() do
    local plugin = ARDOUR.LuaAPI.new_plugin(session, name, ARDOUR.PluginType.VST3, "")
    assert(not plugin:isnil(), name .. " is not offered")
    assert(track:add_processor_by_index(plugin, 0, nil, true) == 0, name .. " is refused")
    local insert = plugin:to_insert()
    local count, ins, outs = insert:get_count(), insert:input_streams():n_audio(), insert:output_streams():n_audio()
    assert(count == 1, string.format("%s: expected one instance on %d channels, found %d", name, width, count))
    assert(ins == width and outs == width, string.format("%s: expected %d channels, found %d in, %d out", name, width, ins, outs))
    assert(insert:signal_latency() == 0, name .. " has latency")
    print(string.format("%s: one instance, %d in, %d out, no latency", name, ins, outs))
  end
end
-- The engine runs and calls the plugins all the time, rolling or not.
session:request_roll(ARDOUR.TransportRequestSource.TRS_UI)
local begin = os.time()
while os.time() - begin < 3 do end
local active = 0
for route in session:get_routes():iter() do
  local plugin = route:nth_plugin(0)
  if not plugin:isnil() then
    assert(plugin:active(), route:name() .. " is no longer active")
    active = active + 1
  end
end
assert(active == #widths, string.format("expected %d active plugins, found %d", #widths, active))
assert(session:save_state("", false, false, false, false, false) == 0, "the session cannot be saved")
session = nil
close_session()

-- The saved session brings its plugins back.
local again = assert(load_session(folder, "shown"))
local found = 0
for route in again:get_routes():iter() do
  if not route:nth_plugin(0):isnil() then found = found + 1 end
end
assert(found == #widths, string.format("expected %d plugins in the loaded session, found %d", #widths, found))
again = nil
close_session()
print(string.format("PASS: %d classes, %d active for 3 s, all there in the loaded session", #widths, active))
quit()
