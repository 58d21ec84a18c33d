-- What was there before the triggers. Nobody dismisses anything meanwhile, and the deliveries are locked, so that no verdict
-- changes under our eyes.
-- harmless: only who dismisses waits for the second that this takes
LOCK TABLE dismissals IN SHARE MODE;
INSERT INTO heeded (callback_id, received_at)
SELECT id, received_at FROM dismissals d JOIN callbacks c ON c.id = d.callback_id
ORDER BY id FOR SHARE OF c
ON CONFLICT (callback_id) DO NOTHING;
INSERT INTO unheeded (callback_id, verdict, received_at)
SELECT id, verdict, received_at FROM callbacks c
WHERE verdict IN ('parked', 'rejected', 'late') AND verdict <> 'accepted'
  AND NOT EXISTS (SELECT FROM dismissals d WHERE d.callback_id = c.id)
ORDER BY id FOR SHARE OF c
ON CONFLICT (callback_id) DO NOTHING;
