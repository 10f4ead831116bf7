"""Everything that can be looked at, behind one protocol (`targets.base.Target`)."""
