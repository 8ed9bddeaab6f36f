<?php

declare(strict_types=1);

namespace Qrgate\Laravel;

use Illuminate\Console\Command;

/** `php artisan qrgate:status`: whether the hooks can work. */
final class StatusCommand extends Command
{
    protected $signature = 'qrgate:status';

    protected $description = 'Report mistakes in the settings of qrgate';

    public function handle(): int
    {
        $problems = Settings::problems();
        foreach ($problems as $problem) {
            $this->error($problem);
        }
        if ($problems === []) {
            $this->info('The hooks of qrgate are ready.');
        }
        return $problems === [] ? self::SUCCESS : self::FAILURE;
    }
}
