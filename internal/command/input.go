package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// An inputFlag is where a command reads a notification from.
type inputFlag struct{ file string }

func (i *inputFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&i.file, "file", "", "File that holds the body of a notification; - or none: stdin")
}

// read returns the body, byte for byte.
func (i *inputFlag) read(cmd *cobra.Command) ([]byte, error) {
	if i.file != "" && i.file != "-" {
		body, err := os.ReadFile(i.file)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		return body, nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && i.file == "" && term.IsTerminal(int(f.Fd())) {
		return nil, errors.New("there is no notification: give one by --file or on stdin")
	}
	return io.ReadAll(in)
}
