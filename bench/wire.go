package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A head is what the bench looks at in the head of a message of HTTP/1.1.
type head struct {
	status int   // of a response
	length int64 // of the body, -1 if it is in chunks
	close  bool  // the connection ends with the message
}

var errHead = errors.New("no head of HTTP/1.1")

// readMessage reads a request or a response to its end. It calls take, unless
// that is nil, with each part of the body. It knows as much of HTTP/1.1 as
// servers on this machine need: what a general reader would cost is time that
// the contenders do not get.
func readMessage(r *bufio.Reader, take func(part []byte)) (head, error) {
	h, err := readHead(r)
	if err != nil {
		return h, err
	}
	if h.length >= 0 {
		return h, readBytes(r, h.length, take)
	}
	return h, readChunks(r, take)
}

func readHead(r *bufio.Reader) (h head, err error) {
	line, err := readLine(r)
	if err != nil {
		return h, err
	}
	if rest, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 ")); ok {
		if len(rest) < 3 {
			return h, errHead
		}
		if h.status, err = strconv.Atoi(string(rest[:3])); err != nil {
			return h, errHead
		}
	} else if !bytes.HasSuffix(line, []byte(" HTTP/1.1")) {
		return h, errHead
	}
	for {
		line, err := readLine(r)
		if err != nil {
			return h, unexpected(err)
		}
		if len(line) == 0 {
			return h, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, errHead
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || h.length < 0 {
				return h, errHead
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if !bytes.EqualFold(value, []byte("chunked")) {
				return h, fmt.Errorf("transfer encoding %q is not known", value)
			}
			h.length = -1
		case bytes.EqualFold(name, []byte("Connection")):
			h.close = h.close || bytes.EqualFold(value, []byte("close"))
		}
	}
}

// readLine returns a line without its end, good until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if len(line) > 0 {
			err = unexpected(err)
		}
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

func readChunks(r *bufio.Reader, take func([]byte)) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return unexpected(err)
		}
		size, err := strconv.ParseInt(string(line), 16, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("chunk of size %q", line)
		}
		if err := readBytes(r, size, take); err != nil {
			return err
		}
		if line, err := readLine(r); err != nil || len(line) > 0 {
			return errors.Join(errors.New("a chunk does not end"), unexpected(err))
		}
		if size == 0 {
			return nil
		}
	}
}

func readBytes(r *bufio.Reader, n int64, take func([]byte)) error {
	for take != nil && n > 0 {
		if _, err := r.Peek(1); err != nil {
			return unexpected(err)
		}
		part, err := r.Peek(int(min(n, int64(r.Buffered()))))
		if err != nil {
			return unexpected(err)
		}
		take(part)
		n -= int64(len(part))
		if _, err := r.Discard(len(part)); err != nil {
			return err
		}
	}
	_, err := r.Discard(int(n))
	return unexpected(err)
}

// unexpected turns an end in the middle of a message into an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
