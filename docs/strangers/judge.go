// Judge checks what a ledger signed with golang.org/x/mod/sumdb (note, tlog) and filippo.io/torchwood; see
// strangers.md. POLICY is a C2SP tlog-policy: whom you trust, from another hand than the files.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const usage = `usage:
	judge checkpoint POLICY CHECKPOINT
	judge proof POLICY PROOFS ENTRIES INDEX...
	judge tree POLICY CHECKPOINT ENTRIES
	judge since POLICY EARLIER CONSISTENCY
	judge tiles POLICY CHECKPOINT DIRECTORY`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New(usage)
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		return err
	}
	switch what, rest := args[0], args[2:]; {
	case what == "checkpoint" && len(rest) == 1:
		return checkpoint(policy, rest[0])
	case what == "proof" && len(rest) > 2:
		return proof(policy, rest[0], rest[1], rest[2:])
	case what == "tree" && len(rest) == 2:
		return tree(policy, rest[0], rest[1])
	case what == "since" && len(rest) == 2:
		return since(policy, rest[0], rest[1])
	case what == "tiles" && len(rest) == 2:
		return tiles(policy, rest[0], rest[1])
	}
	return errors.New(usage)
}

// open reads a checkpoint that is signed as the policy wants: by the log, and by a quorum of witnesses (note.Open
// is under it). Signatures of others are passed over.
func open(policy torchwood.Policy, name string) (torchwood.Checkpoint, []note.Signature, error) {
	signed, err := os.ReadFile(name)
	if err != nil {
		return torchwood.Checkpoint{}, nil, err
	}
	found, opened, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return torchwood.Checkpoint{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	return found, opened.Sigs, nil
}

// checkpoint: what was signed, and when witnesses saw it.
func checkpoint(policy torchwood.Policy, name string) error {
	found, signatures, err := open(policy, name)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d entries, root %x\n", found.Origin, found.N, found.Hash[:])
	for _, signature := range signatures {
		if signature.Name == found.Origin {
			fmt.Printf("signed by %s\n", signature.Name)
			continue
		}
		seconds, err := torchwood.CosignatureTimestamp(signature)
		if err != nil {
			return err
		}
		fmt.Printf("seen by %s at %s\n", signature.Name, time.Unix(seconds, 0).UTC().Format(time.RFC3339))
	}
	return nil
}

// proof: each entry is in the tree of the signed checkpoint that its proof carries, at its index
// (tlog.CheckRecord is under it).
func proof(policy torchwood.Policy, proofs, entries string, indexes []string) error {
	for _, index := range indexes {
		entry, err := os.ReadFile(filepath.Join(entries, index))
		if err != nil {
			return err
		}
		written, err := os.ReadFile(filepath.Join(proofs, index+".tlog-proof"))
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(written, []byte("c2sp.org/tlog-proof@v1\nindex "+index+"\n")) {
			return fmt.Errorf("entry %s: this is the proof of another", index)
		}
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), written); err != nil {
			return fmt.Errorf("entry %s: %w", index, err)
		}
	}
	fmt.Printf("%d proved, the last of them entry %s\n", len(indexes), indexes[len(indexes)-1])
	return nil
}

// tree: the entries DIRECTORY/0, 1, … are all that was signed, and give the root.
func tree(policy torchwood.Policy, name, directory string) error {
	want, _, err := open(policy, name)
	if err != nil {
		return err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for place, index := range indexes {
			found[place] = stored[index]
		}
		return found, nil
	})
	for index := int64(0); index < want.N; index++ {
		entry, err := os.ReadFile(filepath.Join(directory, strconv.FormatInt(index, 10)))
		if err != nil {
			return fmt.Errorf("entry %d of %d is not there: %w", index, want.N, err)
		}
		hashes, err := tlog.StoredHashes(index, entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(want.N, reader)
	if err != nil {
		return err
	}
	if root != want.Hash {
		return fmt.Errorf("%d entries give the root %x, signed is %x", want.N, root[:], want.Hash[:])
	}
	fmt.Printf("%d entries are all that was signed, root %x\n", want.N, root[:])
	return nil
}

// since: the newer checkpoint goes on from the earlier one (tlog.CheckTree).
func since(policy torchwood.Policy, earlier, name string) error {
	old, _, err := open(policy, earlier)
	if err != nil {
		return err
	}
	written, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	head, signed, _ := bytes.Cut(written, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if lines[0] != fmt.Sprintf("old %d", old.N) {
		return fmt.Errorf("it says %q, the earlier one has %d", lines[0], old.N)
	}
	var hashes tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		hashes = append(hashes, hash)
	}
	newer, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if newer.Origin != old.Origin {
		return fmt.Errorf("they are of %s and %s", old.Origin, newer.Origin)
	}
	// Every ledger goes on from the empty one, which tlog has no proofs of.
	if old.N > 0 || len(hashes) > 0 {
		if err := tlog.CheckTree(hashes, newer.N, newer.Hash, old.N, old.Hash); err != nil {
			return err
		}
	}
	fmt.Printf("%s: the %d entries go on from the %d\n", newer.Origin, newer.N, old.N)
	return nil
}

// tiles: a folder of tiles holds every entry that was signed (a C2SP tlog-tiles client reads all of them).
func tiles(policy torchwood.Policy, name, directory string) error {
	want, _, err := open(policy, name)
	if err != nil {
		return err
	}
	files, err := torchwood.NewTileFS(os.DirFS(directory))
	if err != nil {
		return err
	}
	client, err := torchwood.NewClient(files)
	if err != nil {
		return err
	}
	count := int64(0)
	for index := range client.AllEntries(context.Background(), want.Tree, 0) {
		if index != count {
			return fmt.Errorf("entry %d where %d was due", index, count)
		}
		count++
	}
	if err := client.Err(); err != nil {
		return err
	}
	if count != want.N {
		return fmt.Errorf("%d entries, signed are %d", count, want.N)
	}
	fmt.Printf("%s: the tiles hold the %d entries that were signed\n", want.Origin, count)
	return nil
}
