//! Durations as the field writes them: `1h30m`, units `y w d h m s ms`, largest first.
