// Package publish writes the directory that appliances update from: for each of them the
// newest image, the index that names it (package release), some images before it, and the
// evidence of each: bills of material and provenance.
//
// What is promised: nothing is written unless all images given can be published. An image
// is whole and on the disk before an index names it, and an index changes by one rename,
// so whoever reads the directory meanwhile, or after a crash, finds an index whose image is
// there. Publishing the same image again changes nothing. Several may publish at once:
// they wait for each other.
//
// Images are not signed here: what is published is, byte for byte, what was built.
package publish
