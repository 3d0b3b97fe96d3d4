package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// An inputFlag is the flag of commands that read a notification.
type inputFlag struct{ file string }

func (i *inputFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&i.file, "file", "", "File with the body of a notification (default: stdin)")
}

// read returns the body unchanged.
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
		return nil, errors.New("missing notification: use --file or pass it on stdin")
	}
	return io.ReadAll(in)
}
