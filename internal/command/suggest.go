package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxDistance is the number of typing errors up to which a word is similar.
const maxDistance = 2

// subcommandsOnly is the Args of a command that is a group of others.
func subcommandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = maxDistance
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return unknown("command", args[0], cmd.SuggestionsFor(args[0]), names)
}

// suggestFlags adds similar flags to the error about an unknown one. If the flag
// is unknown because its command is, it returns the error about the command.
func suggestFlags(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return subcommandsOnly(cmd, args)
	}
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || missing.GetSpecifiedShortnames() != "" {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	found := similar(missing.GetSpecifiedName(), names)
	if len(found) == 0 {
		return err
	}
	return fmt.Errorf("%w, did you mean --%s?", err, strings.Join(found, " or --"))
}

// unknownWord returns the error for a flag whose value is not one of words.
func unknownWord(flag, value string, words []string) error {
	return fmt.Errorf("--%s: %w", flag, unknown(flag, value, similar(value, words), words))
}

// unknown returns the error for a word that is not one of words.
func unknown(what, word string, similar, words []string) error {
	if len(similar) > 0 {
		return fmt.Errorf("unknown %s %q, did you mean \"%s\"?", what, word, strings.Join(similar, `" or "`))
	}
	return fmt.Errorf("unknown %s %q: must be one of %s", what, word, strings.Join(words, ", "))
}

// similar returns the words that are similar to a mistyped one, by the rule that
// cobra has for the names of commands.
func similar(word string, words []string) []string {
	parent := &cobra.Command{SuggestionsMinimumDistance: maxDistance}
	for _, w := range words {
		parent.AddCommand(&cobra.Command{Use: w, Run: func(*cobra.Command, []string) {}})
	}
	return parent.SuggestionsFor(word)
}
