package command

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

func newStoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store <command>",
		Short:   "Checks and repairs the folder of store file",
		Example: `  caddy meta-webhook store check --path /var/lib/caddy/.local/share/caddy/meta_webhook`,
		Long: `
Looks at the folder of a store file, of a gateway that is stopped, or at a copy
of one. Caddy itself repairs what it can when it starts; these commands say what
it would do, and do it without starting anything.
`,
	}
	group(
		cmd,
		newStoreSubcommand("check", "Reads everything in the folder, and changes nothing", `
Reads everything in the folder and says what is there: segments, records, what
waits and what is dead, and what is damaged. Nothing is changed, so that it may be
a copy that cannot be written to.

The exit code is 2 if there is damage that was not set aside yet.
`, file.Check, printCheck),
		newStoreSubcommand("repair", "Sets aside what is damaged, and makes again what can be", `
Does what Caddy does when it starts, and what it does later when it comes upon
damage: what a crash left half written at the end is cut off, damaged parts of the
logs are copied to files of their own and passed over, and the index and the
snapshots are made again from the logs if they are damaged. No event that can be
read is lost. An event that cannot be read any more becomes dead, of cause
"damaged", when it is its turn.

Copy the folder first if what is damaged matters to you.
`, file.Repair, printRepair),
	)
	return cmd
}

func newStoreSubcommand(
	name, short, long string, examine func(path string) ([]file.Part, error), report func(w io.Writer, parts []file.Part) error,
) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     name + " --path <folder>",
		Short:   short,
		Long:    long,
		Example: "  caddy meta-webhook store " + name + " --path /var/lib/caddy/.local/share/caddy/meta_webhook",
		Args:    cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			parts, err := examine(path)
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), parts)
		}),
	}
	cmd.Flags().StringVar(&path, "path", "", "Folder of the store")
	_ = cmd.MarkFlagRequired("path")
	_ = cmd.MarkFlagDirname("path")
	return cmd
}

// printCheck prints what is there. The error is a problem if anything is
// damaged.
func printCheck(w io.Writer, parts []file.Part) error {
	damaged := 0
	for i := range parts {
		p := &parts[i]
		printPart(w, p, "is cut off when Caddy starts", "was not set aside yet")
		if p.Damaged() {
			damaged++
		}
	}
	if damaged > 0 {
		return problem{fmt.Errorf("%d of %d parts are damaged; caddy meta-webhook store repair sets aside what is", damaged, len(parts))}
	}
	fmt.Fprintln(w, "Nothing is damaged.")
	return nil
}

// printRepair prints what was done.
func printRepair(w io.Writer, parts []file.Part) error {
	damaged, failed := 0, 0
	for i := range parts {
		p := &parts[i]
		printPart(w, p, "was cut off", "was set aside")
		if p.Damaged() {
			damaged++
		}
		if p.Err != nil {
			failed++
		}
	}
	switch {
	case failed > 0:
		return problem{fmt.Errorf("%d of %d parts could not be repaired", failed, len(parts))}
	case damaged == 0:
		fmt.Fprintln(w, "Nothing was damaged.")
	default:
		fmt.Fprintf(w, "Repaired %d of %d parts.\n", damaged, len(parts))
	}
	return nil
}

// printPart prints what there is to say of a part, in which torn and damaged say
// what became of what is.
func printPart(w io.Writer, p *file.Part, torn, damaged string) {
	line := func(format string, args ...any) { fmt.Fprintln(w, "  "+printable(fmt.Sprintf(format, args...), "")) }
	what := "delivered events of " + p.Handler
	if p.Queue {
		what = "queue of " + p.Handler
	}
	fmt.Fprintln(w, printable(what+": "+p.Folder, ""))
	if p.Err != nil {
		line("cannot be read: %v", p.Err)
		return
	}
	contents := count(p.Events, "event")
	if p.Queue {
		contents = count(p.Records, "record")
	}
	line("%s in %s, %s", contents, count(int64(p.Segments), "segment"), humanize.Bytes(uint64(max(0, p.Size))))
	for i := range p.Destinations {
		line("%s", destinationLine(&p.Destinations[i]))
	}
	if p.TornBytes > 0 {
		line("%s, which a crash left half written, and which were not acknowledged, %s", count(p.TornBytes, "byte"), torn)
	}
	for _, d := range p.SetAside {
		line("set aside earlier: %s", damageLine(d, d.File))
	}
	for _, d := range p.Damage {
		line("damaged: %s, %s", damageLine(d, ""), damaged)
	}
	if p.Missing {
		line("damaged: the end of the log is missing; events that were only there are dead when it is their turn")
	}
	for _, name := range p.Copies {
		line("damaged: %s, which is made again from the log", name)
	}
	if p.Unknown > 0 {
		line("damaged: %s of a later version, which are passed over", count(p.Unknown, "record"))
	}
}

func damageLine(d file.Damage, kept string) string {
	text := fmt.Sprintf("%s at %d of segment %d", count(d.End-d.Start, "byte"), d.Start, d.Segment)
	if d.Records > 0 {
		text += fmt.Sprintf(" with %s", count(int64(d.Records), "record"))
	}
	if kept != "" {
		text += ", in " + kept
	}
	return text
}

func destinationLine(d *store.DestinationStats) string {
	text := fmt.Sprintf("destination %s: %d waiting", d.Destination, d.Waiting)
	if !d.Oldest.IsZero() {
		text += " since " + d.Oldest.UTC().Format("2006-01-02 15:04:05Z")
	}
	causes := make([]string, 0, len(d.Dead))
	dead := int64(0)
	for _, cause := range slices.Sorted(maps.Keys(d.Dead)) {
		causes, dead = append(causes, fmt.Sprintf("%s %d", cause, d.Dead[cause])), dead+d.Dead[cause]
	}
	text += fmt.Sprintf(", %d dead", dead)
	if dead > 0 {
		text += " (" + strings.Join(causes, ", ") + ")"
	}
	if d.Paused {
		text += ", paused"
	}
	return text
}

// count returns a number with what it counts.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(n) + " " + what + "s"
}
