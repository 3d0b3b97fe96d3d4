package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/graph"
)

// fileFlags are the flags that take the path of a file or a folder, beside those
// that end in -file.
var fileFlags = []string{"file", "cert", "key", "cacert", "config", "path"}

// completeNoFiles stops shells from completing the names of files where a command
// or one of its subcommands does not take one.
func completeNoFiles(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains(fileFlags, f.Name) || strings.HasSuffix(f.Name, "-file") {
			return
		}
		if _, ok := cmd.GetFlagCompletionFunc(f.Name); !ok {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	})
	for _, c := range cmd.Commands() {
		completeNoFiles(c)
	}
}

// completeWords lets shells complete the value of a flag with words.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeFields lets shells complete the fields of --fields with those of an
// object.
func completeFields(cmd *cobra.Command, object *string) {
	_ = cmd.RegisterFlagCompletionFunc("fields", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		done := typed[:strings.LastIndexByte(typed, ',')+1]
		var completions []string
		for _, field := range graph.Fields(*object) {
			if !slices.Contains(strings.Split(done, ","), field) {
				completions = append(completions, done+field)
			}
		}
		return completions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}
