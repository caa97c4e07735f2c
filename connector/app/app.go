package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"crmsync/mapping"
)

// commands is the grammar of the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" default:"1" help:"Run the connector until SIGTERM or SIGINT; the default."`
	Demo    demoCommand    `cmd:"" help:"Try everything without configuration: a CRM in memory, sample events."`
	Config  configCommand  `cmd:"" help:"Print the settings in force without secrets; --example prints all there are."`
	Setup   setupCommand   `cmd:"" help:"Create what the mapping needs in the CRM."`
	Check   checkCommand   `cmd:"" help:"Check configuration, mapping, credentials and the CRM's schema; writes nothing."`
	Send    sendCommand    `cmd:"" help:"Sign event files and post them to the webhook, for trying out."`
	Status  statusCommand  `cmd:"" help:"Show counts, backlog and the CRM's state; exits 1 when something is wrong."`
	Events  eventsCommand  `cmd:"" help:"List received events, newest first."`
	Explain explainCommand `cmd:"" help:"Tell one event's whole story, values included."`
	Objects objectsCommand `cmd:"" help:"List which CRM record each user, organisation and call became."`
	Preview previewCommand `cmd:"" help:"Show what events would change in the CRM, field by field; writes nothing."`
	Resync  resyncCommand  `cmd:"" help:"Bring records up to a changed mapping."`
	Pause   pauseCommand   `cmd:"" help:"Stop writing to the CRM; events are still accepted."`
	Resume  resumeCommand  `cmd:"" help:"Go on writing after pause."`
	Replay  replayCommand  `cmd:"" help:"Queue stored events again."`
	Discard discardCommand `cmd:"" help:"End dead events that will never be written."`
	State   stateCommands  `cmd:"" help:"Look after the state file."`
	Health  healthCommand  `cmd:"" help:"Ask the running connector whether it is ready, for probes."`
	Version versionCommand `cmd:"" help:"Print the version."`
	Help    helpCommand    `cmd:"" help:"Explain a command; the same as its --help."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// Run executes the command line args, without the program's name, and returns
// the exit code: 0 fine, 1 failed, 2 wrong usage or configuration. A running
// connector ends when ctx does.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := &session{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	err := s.execute(args)
	code, tell := exitCode(err)
	if tell {
		fmt.Fprintf(stderr, "crmsync: %v\n", err)
	}
	return code
}

func (s *session) execute(args []string) error {
	exited := false // by --help or --version, which have printed all there is to say
	parser, err := newParser(s, func(int) { exited = true })
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	command, err := parser.Parse(args)
	switch {
	case exited:
		return nil
	case err != nil:
		return usage(misuse(parser, args, err))
	}
	err = command.Run()
	if errors.Is(err, context.Canceled) && s.ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func newParser(s *session, exit func(int)) (*kong.Kong, error) {
	return kong.New(&commands{},
		kong.Name("crmsync"),
		kong.Description("Writes signed webhooks of calls, users and organisations into a CRM."),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Bind(s),
		kong.Vars{"version": buildVersion().text()},
	)
}

// misuse says where help is for args that the parser did not understand.
func misuse(parser *kong.Kong, args []string, err error) error {
	wrong, ok := errors.AsType[*kong.ParseError](err)
	if ok && wrong.Context.Selected() != nil {
		return fmt.Errorf("%s; crmsync %s --help explains it", strings.TrimSpace(err.Error()), wrong.Context.Selected().Path())
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("%s; crmsync --help lists the commands", strings.TrimSpace(err.Error()))
	}
	var names []string
	for _, command := range parser.Model.Children {
		names = append(names, command.Name)
	}
	text := "there is no command " + strconv.Quote(args[0])
	if near := mapping.Nearest(args[0], names); near != "" {
		text += ", did you mean " + near + "?"
	}
	return errors.New(text + "; crmsync --help lists the commands")
}
