package app

// helpCommand is --help for those who do not know it yet.
type helpCommand struct {
	Command []string `arg:"" optional:"" name:"command" help:"Command to explain; all are listed without one."`
}

// Help implements kong.HelpProvider.
func (*helpCommand) Help() string {
	return `Examples:
  crmsync help                                which commands are there?
  crmsync help events                         the same as crmsync events --help
  crmsync help state backup`
}

// Run prints the help of the command.
func (c *helpCommand) Run(s *session) error {
	return s.execute(append(c.Command, "--help"))
}
