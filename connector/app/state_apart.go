package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"crmsync/state"
)

// A stopped state file is verified in a process of its own: a disk that fails
// under a mapped file is a fault that no Go program survives, and what a
// damaged file asks for must not take the memory of the machine.
const (
	verifyBase   = 2 * time.Minute // for any file
	verifyPerMiB = time.Second     // and for its size: a slow disk reads 20 times faster
	verifyLinger = time.Second     // from the end of the process to that of its output
)

// codeDamaged is the code of a finding about the file as a whole.
const codeDamaged = "damaged"

// verifyAnswer is what the process prints.
type verifyAnswer struct {
	verifyView
	Error string `json:"error"` // why the file was not looked at, such as a lock; "" usually
}

// verifyApart verifies a stopped file in another process. One that dies, or
// takes too long, is a finding.
func verifyApart(ctx context.Context, path string) (verifyView, error) {
	info, err := stateInfo(path)
	if err != nil {
		return verifyView{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return verifyView{}, fmt.Errorf("find the program to verify with: %w", err)
	}
	patience := verifyBase + time.Duration(info.Size()>>20)*verifyPerMiB
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(limited, self, "state", "verify-alone", "--", path)
	cmd.Args[0] = os.Args[0]
	cmd.WaitDelay = verifyLinger
	return verifyOutcome(ctx, path, cmd)
}

// verifyOutcome runs the process and reads its answer.
func verifyOutcome(ctx context.Context, path string, cmd *exec.Cmd) (verifyView, error) {
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return verifyView{}, ctx.Err()
	}
	var answer verifyAnswer
	if err == nil {
		err = json.Unmarshal(out, &answer)
	} else if _, died := errors.AsType[*exec.ExitError](err); !died && !errors.Is(err, context.DeadlineExceeded) {
		return verifyView{}, fmt.Errorf("start the process that verifies: %w", err)
	}
	switch {
	case err != nil:
		return newVerifyView([]state.Finding{{
			Code:    codeDamaged,
			Message: fmt.Sprintf("state file %s cannot be read to its end: reading it ended with %v", path, err),
		}}), nil
	case answer.Error != "":
		return verifyView{}, errors.New(answer.Error)
	}
	return answer.verifyView, nil
}
