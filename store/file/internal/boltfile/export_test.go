package boltfile

import "time"

func init() { lockTimeout = 300 * time.Millisecond }
