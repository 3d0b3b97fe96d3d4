//go:build !unix

package pgtest

// Pause is for systems that can have a process stand still.
func (s *Server) Pause() { missing(s.t, "SIGSTOP") }

// Resume ends a Pause.
func (*Server) Resume() {}
