// tlog.go - relto's log as golang.org/x/mod/sumdb reads it. `tlog bundle VKEY-FILE BUNDLE [OLDER..]` proves all records
// and sizes from tiles and checkpoint; `tlog proof VKEY-FILE PROOF LEAF-DATA` checks a C2SP tlog-proof.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func head(checkpoint []byte, vkey string) (t tlog.Tree) {
	log := must(note.NewVerifier(strings.TrimSpace(vkey)))
	text := must(note.Open(checkpoint, note.VerifierList(log))).Text
	must(fmt.Sscanf(text, log.Name()+"\n%d\n", &t.N))
	copy(t.Hash[:], must(base64.StdEncoding.DecodeString(strings.Split(text, "\n")[2])))
	return t
}

type bundle string // a tlog.TileReader; C2SP leaves the height out of the path and calls the records entries

func (b bundle) Height() int                     { return 8 }
func (b bundle) SaveTiles([]tlog.Tile, [][]byte) {}
func (b bundle) ReadTiles(tiles []tlog.Tile) (out [][]byte, err error) {
	for _, t := range tiles {
		path := strings.NewReplacer("tile/8/data/", "tile/entries/", "tile/8/", "tile/").Replace(t.Path())
		out = append(out, must(os.ReadFile(filepath.Join(string(b), path))))
	}
	return out, nil
}

func (b bundle) prove(t tlog.Tree, hashes tlog.HashReader) {
	for n := int64(0); n < t.N; n += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: n / 256, W: 256}
		if t.N < n+256 {
			tile.W = int(t.N - n)
		}
		entries := must(b.ReadTiles([]tlog.Tile{tile}))[0]
		for k := n; len(entries) > 0; k, entries = k+1, entries[40:] {
			record, smaller := must(tlog.ProveRecord(t.N, k, hashes)), must(tlog.ProveTree(t.N, k+1, hashes))
			must(k, tlog.CheckRecord(record, t.N, t.Hash, k, tlog.RecordHash(entries[2:40])))
			must(k, tlog.CheckTree(smaller, t.N, t.Hash, k+1, must(tlog.TreeHash(k+1, hashes))))
		}
	}
}

func main() {
	read := func(parts ...string) []byte { return must(os.ReadFile(filepath.Join(parts...))) }
	vkey, b, index := string(read(os.Args[2])), bundle(os.Args[3]), int64(0)
	if os.Args[1] == "proof" {
		top, checkpoint, _ := bytes.Cut(read(os.Args[3]), []byte("\n\n"))
		lines, path := strings.Split(string(top), "\nindex "), tlog.RecordProof{}
		must(fmt.Sscanf(lines[1], "%d", &index))
		for _, line := range strings.Split(lines[1], "\n")[1:] {
			path = append(path, must(tlog.ParseHash(line)))
		}
		t, leaf := head(checkpoint, vkey), tlog.RecordHash(read(os.Args[4]))
		must(index, tlog.CheckRecord(path, t.N, t.Hash, index, leaf))
		return
	}
	t := head(read(os.Args[3], "checkpoint"), vkey)
	hashes := tlog.TileHashReader(t, b) // it holds every tile against the root
	b.prove(t, hashes)
	for _, older := range os.Args[4:] {
		o := head(read(older, "checkpoint"), vkey)
		must(o.N, tlog.CheckTree(must(tlog.ProveTree(t.N, o.N, hashes)), t.N, t.Hash, o.N, o.Hash))
	}
}
