// Package slots keeps the images on an appliance's EFI system partition (ESP): what is
// there, how much room there is, and how the next one gets there.
//
// What is promised: under a name that systemd-boot takes there are only whole, checked
// images. A power cut at any moment leaves at most a file of another name
// (NAME_VERSION.efi.part), which the next Install removes. Neither the booted image nor the
// newest good one is ever removed, nor anything that is not this appliance's: whatever
// happens, there is an image to boot. Sizes are bytes.
//
// Mount checks the partition first (fsck.vfat): FAT has no journal, so a power cut within a
// rename can leave two names of one file, of which one stays, or none.
//
// Names and order are package image/entry's: UAPI.1 (Boot Loader Specification) and
// systemd.automatic-boot-assessment(7).
package slots
