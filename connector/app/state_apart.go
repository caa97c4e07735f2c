package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"crmsync/state"
	"crmsync/state/bolt"
)

// A stopped state file is verified in a process of its own: what a damaged file
// asks for must not take the memory of the machine, and whatever ends that
// process is a finding.
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
	Error     string `json:"error"`     // why the file was not looked at, such as a lock; "" usually
	Misplaced bool   `json:"misplaced"` // the error is about the path, not about the file
}

// newVerifyAnswer is about findings, or about what kept from looking for them.
func newVerifyAnswer(findings []state.Finding, err error) verifyAnswer {
	if unusable, ok := errors.AsType[*bolt.FileError](err); ok && unusable.Fault == bolt.Damage {
		findings, err = []state.Finding{{Code: codeDamaged, Message: unusable.Error()}}, nil
	}
	answer := verifyAnswer{verifyView: newVerifyView(findings), Misplaced: misplaced(err)}
	if err != nil {
		answer.Error = unanswered(err).Error()
	}
	return answer
}

// result is what verifyApart returns.
func (a verifyAnswer) result(ctx context.Context) (verifyView, error) {
	switch err := errors.New(a.Error); {
	case ctx.Err() != nil:
		return verifyView{}, ctx.Err()
	case a.Error == "":
		return a.verifyView, nil
	case a.Misplaced:
		return verifyView{}, usage(err)
	default:
		return verifyView{}, err
	}
}

// verifyApart verifies a stopped file in another process. One that dies, or
// takes too long, is a finding.
func verifyApart(ctx context.Context, path string) (verifyView, error) {
	info, err := stateInfo(path)
	if err != nil {
		return verifyView{}, err
	}
	self, err := program(os.Executable, os.Args[0])
	if err != nil { // better at our own risk than not at all
		return newVerifyAnswer(bolt.VerifyFile(ctx, path)).result(ctx)
	}
	patience := verifyBase + time.Duration(info.Size()>>20)*verifyPerMiB
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(limited, self, "state", "verify-alone", "--", path)
	cmd.Args[0] = os.Args[0]
	cmd.WaitDelay = verifyLinger
	return verifyOutcome(ctx, path, cmd)
}

// program returns the path of this program. Without /proc the system does not
// tell it, the caller's own word for it is left.
func program(executable func() (string, error), name string) (string, error) {
	if path, err := executable(); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
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
	if err != nil {
		return newVerifyView([]state.Finding{{
			Code:    codeDamaged,
			Message: fmt.Sprintf("state file %s cannot be read to its end: reading it ended with %v", path, err),
		}}), nil
	}
	return answer.result(ctx)
}
