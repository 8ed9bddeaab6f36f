<?php

namespace dokuwiki\plugin\qrgate;

use Qrgate\SetupError;

/**
 * Named records that end at a time, shared by all processes. Each is a file below data/meta/_qrgate, and its
 * modification time is when it ends. No page has such a path: page names never begin with an underscore.
 */
class Records
{
    /** A new record has its time a moment after its name: seconds for which it is not removed as ended. */
    protected const GRACE = 60;

    protected string $folder;

    public function __construct(string $kind)
    {
        global $conf;
        $this->folder = $conf['metadir'] . '/_qrgate/' . $kind;
    }

    /**
     * Adds a record, unless one of this name exists. Only one of several callers succeeds.
     *
     * @param string $name a hash in hexadecimal digits
     * @param array $content what `get` returns
     * @param int $until Unix time
     * @return bool whether it was added
     * @throws SetupError if the folder cannot be written to
     */
    public function add(string $name, array $content, int $until): bool
    {
        global $conf;
        io_mkdir_p($this->folder);
        $file = "$this->folder/$name";
        $handle = @fopen($file, 'x'); // creates the file or fails, atomically
        if ($handle === false) {
            clearstatcache(true, $file);
            if (file_exists($file)) {
                return false;
            }
            throw new SetupError("$this->folder: cannot create a file; check permissions and disk space");
        }
        fwrite($handle, (string) json_encode($content));
        fclose($handle);
        if (!empty($conf['fperm'])) {
            chmod($file, $conf['fperm']);
        }
        touch($file, $until);
        if ($name[0] === '0') { // about every 16th
            $this->removeWhere(fn () => false);
        }
        return true;
    }

    /** The content of a record that has not ended, or null. */
    public function get(string $name): ?array
    {
        $file = "$this->folder/$name";
        clearstatcache(true, $file);
        if (!preg_match('/^[0-9a-f]+$/D', $name) || @filemtime($file) <= time()) {
            return null;
        }
        return json_decode((string) @file_get_contents($file), true);
    }

    /** Removes a record, if there is one. */
    public function remove(string $name): void
    {
        if (preg_match('/^[0-9a-f]+$/D', $name)) {
            @unlink("$this->folder/$name");
        }
    }

    /**
     * Removes the records that have ended, and those whose content the condition is true for.
     *
     * @param callable(array): bool $condition
     */
    public function removeWhere(callable $condition): void
    {
        foreach (glob("$this->folder/*") ?: [] as $file) {
            $content = $this->get(basename($file)) ?? [];
            if (($content !== [] && $condition($content)) || @filemtime($file) < time() - self::GRACE) {
                @unlink($file);
            }
        }
    }
}
