"""A provider to practise with: AceData's API, pictures and callbacks, on this machine. Imports nothing of ours."""
